//! The window: one [`report::Report`] of everything that happens, and three ways to look at it.
//!
//! - [`report`]: the report itself, plain data; the server fills it
//! - [`prometheus`]: the report as Prometheus text
//! - [`http`]: `/metrics`, `/stats`, `/healthz`, `/readyz`
//! - [`summary`]: one line on the log every ten seconds

pub mod http;
pub mod prometheus;
pub mod report;
pub mod summary;
