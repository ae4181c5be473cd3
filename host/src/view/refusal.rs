//! Requests that are not answered, and why.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::errors::chain;

/// Why a request is not answered, in one line.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    why: String,
}

impl Refusal {
    /// The request makes no sense.
    pub fn bad(why: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, why: why.into() }
    }

    /// The request cannot be read.
    pub fn unread(status: StatusCode, why: &str) -> Self {
        Self { status, why: why.lines().next().unwrap_or_default().to_owned() }
    }

    /// Whoever asks may not, or not so.
    pub fn denied(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    /// There is no such thing.
    pub fn missing(why: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, why: why.into() }
    }

    /// The server may not do it.
    pub fn forbidden(why: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, why: why.into() }
    }

    /// Not yet.
    pub fn not_ready(why: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, why: why.into() }
    }

    /// It was tried and failed.
    pub fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, why: chain(error) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if self.status.is_server_error() && self.status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!("{}", self.why);
        }
        (self.status, Json(json!({ "error": self.why }))).into_response()
    }
}
