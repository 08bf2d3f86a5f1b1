//! The load harness: simulated plants, real records and honest verdicts for a GenIMS server.
//!
//! It shares no code with the server: codecs, arithmetic and expectations are its own, so that a bug of the server cannot
//! hide behind the same bug here.
//!
//! Layout, in the order of a run:
//! - [`cli`]: the commands `run`, `replay`, `baseline`, `idle`; [`targets`]: where everything is (loopback only);
//!   [`access`]: how the server is spoken to (TLS, logins); [`authorities`]: whose certificates are believed
//! - [`plan`]: what to send, checked; [`plant`]: the simulated machines and their sensors
//! - [`wire`]: MQTT, binary frames, text; [`load`]: feeds, sessions, connections, tallies
//! - [`run`], [`replay`], [`idle`]: the commands; [`engine`]: what they share
//! - [`verdict`]: what the databases hold, compared with what was sent; [`database`]: connections to them
//! - [`baseline`]: the same machine without the server; [`report`]: JSON and paper; `say`: standard output; [`complaint`]: what is wrong with a file

#![deny(clippy::print_stdout, reason = "a closed pipe is no panic: see `say`")]

pub mod access;
pub mod authorities;
pub mod baseline;
pub mod cli;
pub mod clock;
pub mod complaint;
pub mod database;
pub mod engine;
pub mod idle;
pub mod load;
pub mod memory;
pub mod plan;
pub mod plant;
pub mod progress;
pub mod replay;
pub mod report;
pub mod run;
mod say;
pub mod targets;
pub mod verdict;
pub mod wire;
