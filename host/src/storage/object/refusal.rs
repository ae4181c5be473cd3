//! What a service refuses, as errors of the system: what may pass after all is [`io::ErrorKind::TimedOut`], the rest is wrong for good. Each is one line, without the
//! place, which callers know, and without anything secret.

use std::io;
use std::time::Duration;

use ureq::http::HeaderMap;

use super::service::{Service, no_credentials};
use crate::errors::{chain, printable};

/// Letters of a service's own words that are shown.
const SHOWN: usize = 200;

/// What a request met that was no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The service says no.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The service's name for it, such as `NoSuchBucket`.
        code: String,
        /// Its words.
        message: String,
        /// Where the bucket lies, where it says so.
        region: Option<String>,
    },
    /// There was no answer, or only a part of one.
    Broken {
        /// Whether this machine's own metadata was asked, for credentials.
        metadata: bool,
        /// Why.
        why: String,
    },
    /// The server is not proven to be the one that it should be.
    Untrusted {
        /// Its name.
        host: String,
        /// Why.
        why: String,
    },
    /// There is no such request.
    Impossible {
        /// Why.
        why: String,
    },
}

impl Seen {
    /// Of an answer that is no success.
    pub fn of_answer(status: u16, headers: &HeaderMap) -> Option<Self> {
        if (200..300).contains(&status) {
            return None;
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let code = header("x-ms-error-code").unwrap_or_default();
        Some(Self::Answer { status, code, message: String::new(), region: header("x-amz-bucket-region") })
    }

    /// With what its body says, in XML, or in JSON as Google's.
    pub fn with_text(self, text: &str) -> Self {
        let Self::Answer { status, code, region, .. } = self else { return self };
        let element = |name: &str| {
            let after = text.split_once(&format!("<{name}>"))?.1;
            Some(after.split_once(&format!("</{name}>"))?.0.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        };
        let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let of_json = |names: [&str; 2]| names.iter().find_map(|name| json.pointer(name)?.as_str().map(str::to_owned));
        let code = element("Code").or_else(|| of_json(["/error/status", "/error"])).unwrap_or(code);
        let message = element("Message").or_else(|| of_json(["/error/message", "/error_description"])).unwrap_or_default();
        Self::Answer { status, code, message, region: region.or_else(|| element("Region")) }
    }

    /// Whether the same request may do later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Answer { status, code, .. } => {
                // Parts whose upload is no longer there were put together already, and the answer got lost: all is sent again.
                let slow = ["SlowDown", "NoSuchUpload", "RequestTimeout", "ServiceUnavailable", "InternalError", "Throttling", "ThrottlingException"];
                *status >= 500 && *status != 501 || [408, 429].contains(status) || slow.contains(&code.as_str()) || self.is_conflict()
            }
            Self::Broken { metadata, .. } => !metadata,
            Self::Untrusted { .. } | Self::Impossible { .. } => false,
        }
    }

    /// Whether it is the bucket that is not there.
    pub fn is_no_bucket(&self) -> bool {
        matches!(self, Self::Answer { status: 404, code, .. } if ["NoSuchBucket", "ContainerNotFound"].contains(&code.as_str()))
    }

    /// Whether several callers asked for the same object at once, and nothing is decided.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Answer { status: 409, code, .. } if ["ConditionalRequestConflict", "OperationAborted"].contains(&code.as_str()))
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Read,
    List,
    Write,
    Delete,
}

impl Doing {
    fn verb(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }

    /// What gives the permission.
    fn permission(self, service: Service) -> &'static str {
        match (service, self) {
            (Service::S3, Self::Read) => "s3:GetObject, and s3:ListBucket to learn that something is not there",
            (Service::S3, Self::List) => "s3:ListBucket",
            (Service::S3, Self::Write) => "s3:PutObject",
            (Service::S3, Self::Delete) => "s3:DeleteObject",
            (Service::Google, Self::Read) => "storage.objects.get",
            (Service::Google, Self::List) => "storage.objects.list",
            (Service::Google, Self::Write) => "storage.objects.create, and storage.objects.delete to replace",
            (Service::Google, Self::Delete) => "storage.objects.delete",
            (Service::Azure, Self::Read | Self::List) => "the role Storage Blob Data Reader",
            (Service::Azure, Self::Write | Self::Delete) => "the role Storage Blob Data Contributor",
        }
    }
}

/// What messages say of a place.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub service: Service,
    pub bucket: String,
    pub credentials: String,
    pub region: Option<String>,
    pub endpoint: Option<String>,
}

impl Asked {
    /// The error of a call that was given up after a time.
    pub fn error(&self, doing: Doing, error: &object_store::Error, seen: Option<&Seen>, after: Duration) -> io::Error {
        let (kind, text) = match seen {
            Some(Seen::Answer { status, code, message, region }) => self.refused(doing, *status, code, message, region.as_deref(), after),
            Some(Seen::Broken { metadata: true, .. }) => (io::ErrorKind::NotFound, no_credentials(self.service).to_owned()),
            Some(Seen::Broken { metadata: false, why }) => {
                let server = self.endpoint.as_ref().map_or_else(String::new, |endpoint| format!(" of {endpoint}"));
                (io::ErrorKind::TimedOut, format!("no answer{server} for {} s: {why}", after.as_secs()))
            }
            Some(Seen::Untrusted { host, why }) => {
                let help = "SSL_CERT_FILE may name a file with the certificates to trust";
                (io::ErrorKind::InvalidData, format!("{host} is not trusted: {why}: {help}"))
            }
            Some(Seen::Impossible { why }) => (io::ErrorKind::InvalidInput, why.clone()),
            None => (io::ErrorKind::Other, chain(error)),
        };
        io::Error::new(kind, short(&text))
    }

    fn refused(&self, doing: Doing, status: u16, code: &str, message: &str, region: Option<&str>, after: Duration) -> (io::ErrorKind, String) {
        use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied, TimedOut, Unsupported};
        let (bucket, credentials) = (&self.bucket, &self.credentials);
        let named = if code.is_empty() { status.to_string() } else { format!("{status} {code}") };
        let at = self.endpoint.as_ref().map_or_else(String::new, |endpoint| format!(" at {endpoint}"));
        let elsewhere = region.filter(|region| self.region.as_deref().is_some_and(|asked| asked != *region));
        match (status, code) {
            _ if (Seen::Answer { status, code: code.to_owned(), message: String::new(), region: None }).may_pass() => {
                (TimedOut, format!("the service{at} still answers {named} after {} s", after.as_secs()))
            }
            (301 | 307 | 400, _) if elsewhere.is_some() => {
                let (lies, asked) = (elsewhere.unwrap_or_default(), self.region.as_deref().unwrap_or_default());
                (InvalidInput, format!("the bucket {bucket} lies in the region {lies}, and {asked} was asked: set AWS_REGION={lies}"))
            }
            (300..400, _) => (InvalidInput, format!("the service sends elsewhere ({named}): set AWS_REGION to the region of the bucket {bucket}")),
            (404, "NoSuchBucket" | "ContainerNotFound") => (NotFound, format!("there is no bucket {bucket}{at}: make it, or correct its name")),
            (404, _) if doing != Doing::Read => (NotFound, format!("there is no bucket {bucket}{at} ({named}): make it, or correct its name")),
            (404, _) => (NotFound, format!("there is no such object ({named})")),
            (_, "ExpiredToken" | "TokenRefreshRequired" | "RequestExpired") => {
                (PermissionDenied, format!("{credentials} have expired ({named}): renew them"))
            }
            (_, "RequestTimeTooSkewed") => {
                (PermissionDenied, "this machine's clock is too far from the service's (RequestTimeTooSkewed): set it".to_owned())
            }
            (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "AuthenticationFailed" | "InvalidSecurity") | (401, _) => {
                (PermissionDenied, format!("{credentials} are not accepted{at} ({named}): correct or renew them"))
            }
            (403, _) => {
                let (verb, permission) = (doing.verb(), doing.permission(self.service));
                (PermissionDenied, format!("access denied ({status}): {credentials} may not {verb} there ({permission})"))
            }
            (501 | 405, _) if doing == Doing::Write => {
                let need = "several machines cannot share a run without";
                (Unsupported, format!("the service does not know how to write only where nothing is ({named}), which {need}: choose another service"))
            }
            _ if message.is_empty() => (InvalidInput, format!("the service{at} answers {named}")),
            _ => (InvalidInput, format!("the service{at} answers {named}: {}", message.trim_end_matches('.'))),
        }
    }
}

/// One line of printable text, and not more of it than is read.
pub(super) fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = printable(&line, false);
    match line.char_indices().nth(2 * SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, text: &str) -> Seen {
        Seen::of_answer(status, &HeaderMap::new()).unwrap().with_text(text)
    }

    fn said(doing: Doing, seen: &Seen) -> (io::ErrorKind, String) {
        let asked = Asked {
            service: Service::S3,
            bucket: "b".into(),
            credentials: "the credentials of AWS_ACCESS_KEY_ID".into(),
            region: Some("us-east-1".into()),
            endpoint: None,
        };
        let error = asked.error(
            doing,
            &object_store::Error::NotImplemented { operation: String::new(), implementer: String::new() },
            Some(seen),
            Duration::from_secs(150),
        );
        assert_eq!(convert_sdk::ErrorKind::of(&error).may_pass(), seen.may_pass(), "{error}");
        assert_eq!(crate::errors::may_pass(&error), seen.may_pass(), "{error}");
        (error.kind(), error.to_string())
    }

    fn xml(code: &str, more: &str) -> String {
        format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>No &amp; no.</Message>{more}<RequestId>1</RequestId></Error>")
    }

    #[test]
    fn each_refusal_is_one_line_that_says_what_to_do() {
        use io::ErrorKind::{InvalidData, InvalidInput, NotFound, PermissionDenied, TimedOut, Unsupported};
        let check = |doing, seen: &Seen, kind, text: &str| assert_eq!(said(doing, seen), (kind, text.to_owned()));
        let denied = "access denied (403): the credentials of AWS_ACCESS_KEY_ID may not write there (s3:PutObject)";
        check(Doing::Write, &seen(403, &xml("AccessDenied", "")), PermissionDenied, denied);
        check(
            Doing::List,
            &seen(403, ""),
            PermissionDenied,
            "access denied (403): the credentials of AWS_ACCESS_KEY_ID may not list there (s3:ListBucket)",
        );
        check(Doing::Write, &seen(404, &xml("NoSuchBucket", "")), NotFound, "there is no bucket b: make it, or correct its name");
        let wrong = "the credentials of AWS_ACCESS_KEY_ID are not accepted (403 SignatureDoesNotMatch): correct or renew them";
        check(Doing::Read, &seen(403, &xml("SignatureDoesNotMatch", "<StringToSign>AWS4</StringToSign>")), PermissionDenied, wrong);
        let expired = "the credentials of AWS_ACCESS_KEY_ID have expired (400 ExpiredToken): renew them";
        check(Doing::Read, &seen(400, &xml("ExpiredToken", "")), PermissionDenied, expired);
        let region = "the bucket b lies in the region eu-west-1, and us-east-1 was asked: set AWS_REGION=eu-west-1";
        check(Doing::Read, &seen(400, &xml("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")), InvalidInput, region);
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-bucket-region", "eu-west-1".parse().unwrap());
        check(Doing::Read, &Seen::of_answer(301, &headers).unwrap(), InvalidInput, region);
        check(Doing::Write, &seen(503, &xml("SlowDown", "")), TimedOut, "the service still answers 503 SlowDown after 150 s");
        check(Doing::Write, &seen(400, &xml("EntityTooLarge", "")), InvalidInput, "the service answers 400 EntityTooLarge: No & no");
        let unknown = "the service does not know how to write only where nothing is (501 NotImplemented), which several machines cannot share a run without: choose another service";
        check(Doing::Write, &seen(501, &xml("NotImplemented", "")), Unsupported, unknown);
        check(Doing::Read, &Seen::Broken { metadata: true, why: String::new() }, NotFound, no_credentials(Service::S3));
        check(Doing::Read, &Seen::Broken { metadata: false, why: "io: reset\nby peer".into() }, TimedOut, "no answer for 150 s: io: reset by peer");
        let untrusted = Seen::Untrusted { host: "s3".into(), why: "expired".into() };
        check(Doing::Read, &untrusted, InvalidData, "s3 is not trusted: expired: SSL_CERT_FILE may name a file with the certificates to trust");
    }

    #[test]
    fn googles_json_and_azures_header_name_what_is_wrong() {
        let answer = |code: &str, message: &str| Seen::Answer { status: 403, code: code.into(), message: message.into(), region: None };
        assert_eq!(seen(403, r#"{"error": {"status": "PERMISSION_DENIED", "message": "no"}}"#), answer("PERMISSION_DENIED", "no"));
        assert_eq!(seen(403, r#"{"error": "invalid_grant", "error_description": "old"}"#), answer("invalid_grant", "old"));
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-error-code", "AuthorizationFailure".parse().unwrap());
        assert_eq!(Seen::of_answer(403, &headers).unwrap().with_text(""), answer("AuthorizationFailure", ""));
        assert_eq!(short(&"ä\n".repeat(1000)).chars().count(), 2 * SHOWN + 1);
    }
}
