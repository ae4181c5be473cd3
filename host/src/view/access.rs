//! Who may ask: whoever has the token that was printed, from the page of this very server.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, LOCATION, ORIGIN, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::Arc;

use super::refusal::Refusal;
use crate::command_name;

/// The cookie that holds the token. Its name has the port: cookies of one host are shared by all ports.
const COOKIE_NAME: &str = "convert-view";

/// The token and the names that the server answers to.
pub struct Access {
    token: String,
    cookie: String,
    hosts: Vec<String>,
}

impl Access {
    /// Access to a server at an address, under a name or number that the user gave.
    pub fn new(token: String, address: SocketAddr, host: &str) -> Self {
        let port = address.port();
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut names = vec![bracketed(host), bracketed(&address.ip().to_string())];
        if address.ip().is_loopback() {
            names.push("localhost".into());
        }
        let hosts = names.into_iter().map(|name| format!("{name}:{port}").to_lowercase()).collect();
        Self { token, cookie: format!("{COOKIE_NAME}-{port}"), hosts }
    }

    /// The address to open.
    pub fn address(&self) -> String {
        format!("http://{}/?token={}", self.hosts[0], self.token)
    }

    /// Why a request may not be answered.
    fn refusal(&self, headers: &HeaderMap) -> Option<(StatusCode, String)> {
        let text = |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).map(str::to_lowercase);
        // Under another name a page of somebody else could reach this server (DNS rebinding).
        let host = text(headers.get(HOST)).unwrap_or_default();
        if !self.hosts.contains(&host) {
            let names = self.hosts.join(", ");
            return Some((
                StatusCode::FORBIDDEN,
                format!("this server is {names}, not {host:?}: open the address that it printed, or name it with --host"),
            ));
        }
        if let Some(origin) = text(headers.get(ORIGIN))
            && origin != format!("http://{host}")
        {
            return Some((StatusCode::FORBIDDEN, format!("requests from pages of {origin} are not answered")));
        }
        None
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|cookies| cookies.split(';'));
        let mut tokens = cookies.filter_map(|cookie| cookie.trim().split_once('=')).filter(|(name, _)| *name == self.cookie);
        tokens.any(|(_, token)| same(token, &self.token))
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(one: &str, two: &str) -> bool {
    // Hashes are compared in constant time.
    blake3::hash(one.as_bytes()) == blake3::hash(two.as_bytes())
}

/// Answers only those who may ask, and says with every answer what a browser may do with it.
pub async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // A page reads JSON, a person text.
    let for_page = request.uri().path().starts_with("/api/");
    let denied = |status: StatusCode, why: String| match for_page {
        true => Refusal::denied(status, why).into_response(),
        false => (status, why + "\n").into_response(),
    };
    let mut response = if let Some((status, why)) = access.refusal(headers) {
        denied(status, why)
    } else if let Some((token, rest)) = token_of(request.uri().query()) {
        if same(&token, &access.token) { entered(&access, request.uri().path(), &rest) } else { denied(StatusCode::UNAUTHORIZED, locked()) }
    } else if access.knows(headers) {
        next.run(request).await
    } else {
        denied(StatusCode::UNAUTHORIZED, locked())
    };
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// The token of an address's query, and the query without it.
fn token_of(query: Option<&str>) -> Option<(String, String)> {
    let mut token = None;
    let rest: Vec<&str> =
        query?.split('&').filter(|part| part.strip_prefix("token=").map(|value| token = Some(value.to_owned())).is_none()).collect();
    Some((token?, rest.join("&")))
}

/// The browser gets a cookie, and forgets the token in the address.
fn entered(access: &Access, path: &str, query: &str) -> Response {
    let location = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    // A path of two slashes would be another host's.
    let location = format!("/{}", location.trim_start_matches('/'));
    let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", access.cookie, access.token);
    (StatusCode::SEE_OTHER, [(LOCATION, location), (SET_COOKIE, cookie)]).into_response()
}

fn locked() -> String {
    format!("Open the address that `{} view` printed: it holds the key to this page.", command_name::typed())
}
