//! One request to a server of files, by HTTP/1.1, through the proxies of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error};

use super::FetchError;
use crate::errors::chain;

/// Makes requests.
pub struct Server {
    agent: Agent,
}

/// What a server sends of a file.
pub struct Answer {
    /// Where in the file it begins.
    pub start: u64,
    /// The file's whole length, where the server says so.
    pub total: Option<u64>,
    /// What the server calls this version of the file.
    pub tag: Option<String>,
    /// The bytes from `start` on.
    pub body: Box<dyn Read>,
}

/// Why there is no answer.
pub enum ServerError {
    /// For a reason that may pass.
    Broken(String),
    /// For one that does not.
    Fetch(FetchError),
}

impl Server {
    /// Trusts what [`tls`] says. Gives up a read after `timeout`.
    pub fn new(timeout: Duration, encrypted: bool) -> Result<Self, FetchError> {
        let config = Agent::config_builder()
            .tls_config(tls()?)
            .timeout_connect(Some(timeout))
            .timeout_recv_response(Some(timeout))
            .timeout_per_read(Some(timeout))
            .http_status_as_error(false)
            .https_only(encrypted)
            .user_agent(concat!("convert/", env!("CARGO_PKG_VERSION")));
        Ok(Self { agent: config.build().into() })
    }

    /// Asks for a file from a byte on, if it is still the version of `tag`.
    pub fn get(&self, url: &str, from: u64, tag: Option<&str>) -> Result<Answer, ServerError> {
        // Packed for the way, its length and its parts would be others.
        let mut request = self.agent.get(url).header(header::ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
            if let Some(tag) = tag {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        let response = request.call().map_err(|error| refused(url, error))?;
        let refused = |status: StatusCode| ServerError::Fetch(FetchError::Refused { url: url.to_owned(), status: status.as_u16() });
        let status = response.status();
        match status {
            StatusCode::OK => Ok(answer(0, length(&response), response)),
            StatusCode::PARTIAL_CONTENT => match range(&response) {
                Some((start, total)) if start == from => Ok(answer(start, total, response)),
                // It sends another part: all of it, then.
                _ if from > 0 => self.get(url, 0, None),
                _ => Err(ServerError::Broken("it sends a part that was not asked for".to_owned())),
            },
            // There is nothing from there on: what is here is all of it, or of another version.
            StatusCode::RANGE_NOT_SATISFIABLE if range(&response).is_some_and(|(_, total)| total == Some(from)) => {
                Ok(Answer { start: from, total: Some(from), tag: tag.map(str::to_owned), body: Box::new(std::io::empty()) })
            }
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => self.get(url, 0, None),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(ServerError::Broken(format!("it answers {status}"))),
            status if status.is_server_error() => Err(ServerError::Broken(format!("it answers {status}"))),
            status => Err(refused(status)),
        }
    }
}

/// Trusts the certificates of `SSL_CERT_FILE`, or else Mozilla's, which are built in.
pub fn tls() -> Result<TlsConfig, FetchError> {
    let mut tls = TlsConfig::builder();
    if let Some(file) = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from) {
        tls = tls.root_certs(certificates(&file).map_err(|error| FetchError::Certificates(file, error))?);
    }
    Ok(tls.build())
}

/// The certificates of a PEM file.
fn certificates(file: &std::path::Path) -> std::io::Result<RootCerts> {
    let items = parse_pem(&std::fs::read(file)?).collect::<Result<Vec<_>, _>>().map_err(std::io::Error::other)?;
    let certificates = items.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    if certificates.is_empty() {
        return Err(std::io::Error::other("there is no certificate in it"));
    }
    Ok(RootCerts::from(certificates))
}

fn refused(url: &str, error: Error) -> ServerError {
    match error {
        Error::TooManyRedirects | Error::RedirectFailed => ServerError::Fetch(FetchError::Redirects(url.to_owned())),
        Error::RequireHttpsOnly(_) => ServerError::Fetch(FetchError::Unencrypted(url.to_owned())),
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => untrusted(url, &error),
        Error::Rustls(error) => untrusted(url, &error),
        Error::Tls(_) | Error::Pem(_) => untrusted(url, &error),
        Error::BadUri(_) | Error::Http(_) => ServerError::Fetch(FetchError::Address(url.to_owned())),
        error => ServerError::Broken(chain(&error)),
    }
}

fn untrusted(url: &str, error: &dyn std::error::Error) -> ServerError {
    ServerError::Fetch(FetchError::Untrusted(url.to_owned(), chain(error)))
}

fn answer(start: u64, total: Option<u64>, response: Response<Body>) -> Answer {
    let tag = text(&response, header::ETAG).filter(|tag| !tag.starts_with("W/"));
    let tag = tag.or_else(|| text(&response, header::LAST_MODIFIED));
    Answer { start, total, tag, body: Box::new(response.into_body().into_reader()) }
}

fn text(response: &Response<Body>, name: header::HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn length(response: &Response<Body>) -> Option<u64> {
    text(response, header::CONTENT_LENGTH)?.parse().ok()
}

/// Where a part begins, and the whole length: `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
fn range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let text = text(response, header::CONTENT_RANGE)?;
    let (part, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = if part == "*" { 0 } else { part.split_once('-')?.0.parse().ok()? };
    Some((start, total.parse().ok()))
}
