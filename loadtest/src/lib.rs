//! Simulated plants, real records and honest verdicts for a GenIMS server.
pub mod clock;
pub mod load;
pub mod plan;
pub mod plant;
pub mod wire;
