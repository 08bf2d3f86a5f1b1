//! A page of a template as an answer.

use super::problem::Problem;
use askama::Template;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};

pub(crate) fn rendered(page: &impl Template, uri: &Uri) -> Response {
    match page.render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), uri).into_response(),
    }
}
