//! The sinks against real servers.

mod mongo;
mod numbers;
mod plant;
mod postgres;
mod servers;
