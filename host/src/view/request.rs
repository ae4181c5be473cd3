//! The parts of a request, refused as everything here is refused: in JSON, in one line.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// A part of an address's path, such as a sample's number.
pub struct Named<T>(pub T);

/// What stands behind an address's question mark.
pub struct Parameters<T>(pub T);

/// A body in JSON.
pub struct Sent<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let taken = axum::extract::Path::from_request_parts(parts, state).await;
        taken.map(|axum::extract::Path(value)| Self(value)).map_err(|error| Refusal::unread(error.status(), &error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let taken = axum::extract::Query::from_request_parts(parts, state).await;
        taken.map(|axum::extract::Query(value)| Self(value)).map_err(|error| Refusal::unread(error.status(), &error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let taken = axum::Json::from_request(request, state).await;
        taken.map(|axum::Json(value)| Self(value)).map_err(|error| Refusal::unread(error.status(), &error.body_text()))
    }
}
