//! An address such as `s3://bucket/runs/first`.

use std::fmt;

use super::service::Service;

/// A bucket and a place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub service: Service,
    pub bucket: String,
    /// Without slashes at its ends; empty for the bucket itself.
    pub prefix: String,
}

impl Address {
    /// Of `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    ///
    /// # Errors
    /// What is wrong with it, and how it should look.
    pub fn parse(url: &str) -> Result<Self, String> {
        let form =
            |why: &str| format!("{url} is no place in an object store: {why}; write s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER");
        let (scheme, rest) = url.split_once("://").ok_or_else(|| form("it has no scheme"))?;
        let service = match scheme {
            "s3" => Service::S3,
            "gs" => Service::Google,
            "az" => Service::Azure,
            _ => return Err(form("its scheme is not known")),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let named = !bucket.is_empty() && bucket.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        if !named {
            return Err(form("it names no bucket"));
        }
        let prefix = prefix.trim_matches('/');
        if !prefix.is_empty() && object_store::path::Path::parse(prefix).is_err() {
            return Err(form("it has an empty name, `.` or `..` between slashes, or a letter that no key may have"));
        }
        if prefix.contains(['?', '#', '%']) {
            return Err(form("it has ?, # or %"));
        }
        Ok(Self { service, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The scheme, without `://`.
    pub fn scheme(&self) -> &'static str {
        match self.service {
            Service::S3 => "s3",
            Service::Google => "gs",
            Service::Azure => "az",
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "{}://{}{slash}{}", self.scheme(), self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        let address = |url: &str| Address::parse(url).map(|address| (address.bucket.clone(), address.prefix.clone(), address.to_string()));
        let expected = |bucket: &str, prefix: &str, shown: &str| Ok((bucket.to_owned(), prefix.to_owned(), shown.to_owned()));
        assert_eq!(address("s3://b/runs/first/"), expected("b", "runs/first", "s3://b/runs/first"));
        assert_eq!(address("gs://my.bucket"), expected("my.bucket", "", "gs://my.bucket"));
        assert_eq!(address("az://c/ü x"), expected("c", "ü x", "az://c/ü x"));
        for (url, why) in [
            ("work", "it has no scheme"),
            ("ftp://b/x", "its scheme is not known"),
            ("s3:///x", "it names no bucket"),
            ("s3://key:secret@b/x", "it names no bucket"),
            ("s3://b/x/../y", "it has an empty name, `.` or `..` between slashes, or a letter that no key may have"),
            ("s3://b/x//y", "it has an empty name, `.` or `..` between slashes, or a letter that no key may have"),
            ("s3://b/x?version=1", "it has ?, # or %"),
        ] {
            let form = "write s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER";
            assert_eq!(Address::parse(url).unwrap_err(), format!("{url} is no place in an object store: {why}; {form}"));
        }
    }
}
