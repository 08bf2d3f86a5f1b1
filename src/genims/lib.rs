//! The server: settings, and the only place that joins the rooms. The command line is `main.rs` and `cli/`.

pub mod capacity;
pub mod checklist;
pub mod compliance;
pub mod connections;
pub mod replay;
pub mod security;
pub mod server;
pub mod settings;
