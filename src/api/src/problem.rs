//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// What a request was refused for, and what to do instead.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    instance: String,
}

/// Of what was asked for, as much is repeated.
const INSTANCE_MAX: usize = 200;

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>, at: &Uri) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            instance: at.path().chars().take(INSTANCE_MAX).collect(),
        }
    }

    pub(crate) fn not_found(what: &str, at: &Uri) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what}; /api/v1 lists what there is"), at)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }
}
