//! The window: one [`report::ServerReport`] of everything that happens, and three ways to look at it.
//!
//! - [`report`]: the report itself, plain data; the server fills it
//! - [`prometheus`]: the registry of metrics, which Prometheus reads
//! - [`http`]: `/metrics`, `/stats`, `/healthz`, `/readyz`
//! - [`summary`]: one line on the log every ten seconds

pub mod http;
mod prometheus;
pub mod report;
pub mod summary;
