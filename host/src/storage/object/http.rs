//! Requests of the services' library over the HTTP client that fetches files too (`fetch/server.rs`): one stack of TLS, one list of certificates, the same proxies.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService};
use object_store::{ClientConfigKey, ClientOptions};
use tokio::sync::{mpsc, oneshot};
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Timeout};

use super::refusal::Seen;
use crate::errors::chain;
use crate::fetch::tls;

/// A connection is made within this time, to a machine's own metadata within a second.
const CONNECT: Duration = Duration::from_secs(10);
/// Nothing arrives, or nothing more can be sent, for so long: the connection is dead. Putting a large object together takes a service half a minute.
const SILENCE: Duration = Duration::from_secs(60);
/// An answer of this size is read before it is handed on, so that one that is cut is asked for again as a whole.
const AT_ONCE: usize = 1 << 20;
/// Of a longer answer so much is read at a time, and so many pieces wait for who writes them.
const PIECE: usize = 256 << 10;
const PIECES: usize = 4;
/// Of an error so much is read.
const MAX_ERROR: u64 = 64 << 10;
/// As many as a busy machine has requests at once.
const IDLE_CONNECTIONS: usize = 64;
/// Where there is no such service, nobody answers: that is not waited for.
const METADATA_TRIES: usize = 3;

tokio::task_local! {
    /// What the last request of a call met that was no success.
    pub(super) static SEEN: Arc<Mutex<Option<Seen>>>;
}

/// Makes clients.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let tls = tls().map_err(|error| object_store::Error::Generic { store: "TLS", source: Box::new(error) })?;
        let set = |key| options.get_config_value(&key);
        let unencrypted = set(ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        // The library sets this time for a machine's metadata only.
        let metadata = set(ClientConfigKey::ConnectTimeout).is_some_and(|value| value == "1s");
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(if metadata { Duration::from_secs(1) } else { CONNECT }))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .http_status_as_error(false)
            .https_only(!unencrypted)
            // The library knows what to do about a redirection: none is wanted.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .user_agent(concat!("convert/", env!("CARGO_PKG_VERSION")));
        Ok(HttpClient::new(Service { agent: config.build().into(), metadata }))
    }
}

#[derive(Debug)]
struct Service {
    agent: Agent,
    /// Whether it asks what a cloud tells a machine about itself.
    metadata: bool,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        // One piece as ours are, it is not copied.
        let body = body.collect().await?.to_bytes();
        let metadata = self.metadata || parts.uri.host().is_some_and(is_metadata);
        let mut tries = if metadata { METADATA_TRIES } else { 1 };
        loop {
            tries -= 1;
            match self.exchange(Request::from_parts(parts.clone(), body.clone())).await {
                Ok(response) => {
                    // A machine without a role, or a proxy that knows no such address.
                    if metadata && response.status().is_client_error() {
                        remember(Seen::Broken { metadata, why: response.status().to_string() });
                    }
                    return Ok(response);
                }
                Err(_) if tries > 0 => {}
                Err(error) => {
                    let (kind, seen) = classify(&error, parts.uri.host().unwrap_or_default(), metadata);
                    remember(seen);
                    return Err(HttpError::new(kind, error));
                }
            }
        }
    }
}

impl Service {
    /// One request, on a thread that may wait; where the answer is long, the thread goes on reading it.
    async fn exchange(&self, request: Request<Bytes>) -> Result<HttpResponse, ureq::Error> {
        let agent = self.agent.clone();
        let (head, answered) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let _ = match send(&agent, request).and_then(begin) {
                Err(error) => head.send(Err(error)),
                Ok((response, Begun::Whole(body))) => head.send(Ok(response.map(|()| body.into()))),
                Ok((response, Begun::More(first, reader))) => {
                    let (pieces, received) = mpsc::channel(PIECES);
                    let sent = head.send(Ok(response.map(|()| HttpResponseBody::new(Streamed(received)))));
                    pump(first, reader, &pieces);
                    sent
                }
            };
        });
        let answer = answered.await.unwrap_or_else(|_| Err(ureq::Error::Io(io::Error::other("the thread of the request ended"))))?;
        if let Some(seen) = Seen::of_answer(answer.status().as_u16(), answer.headers()) {
            let (head, body) = answer.into_parts();
            let text = body.bytes().await.unwrap_or_default();
            remember(seen.with_text(&String::from_utf8_lossy(&text)));
            return Ok(Response::from_parts(head, text.into()));
        }
        let _ = SEEN.try_with(|slot| *slot.lock().unwrap_or_else(PoisonError::into_inner) = None);
        Ok(answer)
    }
}

fn send(agent: &Agent, request: Request<Bytes>) -> Result<Response<ureq::Body>, ureq::Error> {
    let (parts, body) = request.into_parts();
    if body.is_empty() && [Method::GET, Method::HEAD, Method::DELETE].contains(&parts.method) {
        agent.run(Request::from_parts(parts, ()))
    } else {
        agent.run(Request::from_parts(parts, &body[..]))
    }
}

enum Begun {
    Whole(Bytes),
    More(Bytes, Box<dyn Read + Send>),
}

/// Reads the beginning of an answer, which is most often all of it.
fn begin(response: Response<ureq::Body>) -> Result<(Response<()>, Begun), ureq::Error> {
    let (head, body) = response.into_parts();
    let mut reader = body.into_reader();
    let mut first = Vec::new();
    if !head.status.is_success() {
        reader.take(MAX_ERROR).read_to_end(&mut first).map_err(ureq::Error::Io)?;
        return Ok((Response::from_parts(head, ()), Begun::Whole(first.into())));
    }
    reader.by_ref().take(AT_ONCE as u64).read_to_end(&mut first).map_err(ureq::Error::Io)?;
    let begun = if first.len() < AT_ONCE { Begun::Whole(first.into()) } else { Begun::More(first.into(), Box::new(reader)) };
    Ok((Response::from_parts(head, ()), begun))
}

type Piece = Result<Bytes, HttpError>;

/// Hands a long answer on, piece by piece, as fast as it is taken.
fn pump(first: Bytes, mut reader: Box<dyn Read + Send>, pieces: &mpsc::Sender<Piece>) {
    let mut piece = Ok(first);
    loop {
        let ended = piece.is_err();
        if pieces.blocking_send(piece).is_err() || ended {
            return;
        }
        let mut next = Vec::with_capacity(PIECE);
        piece = match reader.by_ref().take(PIECE as u64).read_to_end(&mut next) {
            Ok(0) => return,
            Ok(_) => Ok(next.into()),
            Err(error) => Err(HttpError::new(HttpErrorKind::Interrupted, error)),
        };
    }
}

/// An answer that is still being read.
struct Streamed(mpsc::Receiver<Piece>);

impl Body for Streamed {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let piece = self.0.poll_recv(context);
        if let Poll::Ready(Some(Err(error))) = &piece {
            remember(Seen::Broken { metadata: false, why: chain(error) });
        }
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

fn remember(seen: Seen) {
    let _ = SEEN.try_with(|slot| *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen));
}

/// The addresses at which clouds tell a machine or a container about itself.
fn is_metadata(host: &str) -> bool {
    host.starts_with("169.254.") || host == "metadata.google.internal" || host == "metadata"
}

/// Whether the library is to try again, and what is said if it does not help.
fn classify(error: &ureq::Error, host: &str, metadata: bool) -> (HttpErrorKind, Seen) {
    let broken = |kind| (if metadata { HttpErrorKind::Unknown } else { kind }, Seen::Broken { metadata, why: chain(error) });
    let untrusted = || (HttpErrorKind::Unknown, Seen::Untrusted { host: host.to_owned(), why: chain(error) });
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
            broken(HttpErrorKind::Connect)
        }
        ureq::Error::Timeout(_) => broken(HttpErrorKind::Timeout),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => untrusted(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => broken(HttpErrorKind::Connect),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => untrusted(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::RequireHttpsOnly(_) | ureq::Error::InvalidProxyUrl => {
            (HttpErrorKind::Unknown, Seen::Impossible { why: chain(error) })
        }
        // It may have arrived, or not.
        _ => broken(HttpErrorKind::Interrupted),
    }
}
