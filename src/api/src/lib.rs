//! The window: one [`report::ServerReport`] of everything that happens, and the ways to look at it.
//!
//! - [`report`]: the report itself, plain data; the server fills it
//! - [`snapshot`]: the report with rates, backlogs and proofs: what page, API, events and `genims top` are made of
//! - [`past`]: what rates and charts are made of; [`window`]: takes snapshots and hands them to those who listen
//! - [`talkers`]: who sends how much
//! - [`proof`]: the queries by which PostgreSQL proves numbers
//! - [`board`], [`charts`], [`chart`], [`format`]: the page
//! - [`plants`]: pages and API of plants, machines and their sensors
//! - [`operations`]: page and API of jobs, dead letters, audit chains and backups
//! - [`v1`], [`problem`], [`path_name`]: the API; [`openapi`]: its description; [`render`]: a page as an answer
//! - [`prometheus`]: the registry of metrics, which Prometheus reads
//! - [`sign`]: who may see and do what
//! - [`http`]: all of it over HTTP; `socket`: its connections, with TLS or without
//! - [`summary`]: one line on the log every ten seconds

pub mod backups;
pub mod board;
mod chart;
mod charts;
pub mod format;
pub mod http;
mod openapi;
pub mod operations;
mod past;
mod path_name;
pub mod plants;
mod problem;
mod prometheus;
pub mod proof;
mod render;
pub mod report;
pub mod sign;
pub mod snapshot;
pub mod summary;
pub mod talkers;

pub mod socket;
mod v1;
mod window;

#[cfg(test)]
mod openapi_tests;
#[cfg(test)]
mod probe_tests;
#[cfg(test)]
mod prometheus_tests;
#[cfg(test)]
mod sink_states_tests;
#[cfg(test)]
mod window_tests;
