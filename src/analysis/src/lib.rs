//! What is made of a reading: pure, time and thresholds are arguments.
//!
//! - [`sensor`]: what a shard makes of one reading, with [`window`], [`anomaly`], [`faults`] and [`health`]
//! - [`machine`]: what a machine's snapshots say: states, counts, OEE; `meters`: energy, tools, operators

pub mod anomaly;
mod earlier;
pub mod faults;
pub mod health;
pub mod machine;
mod meters;
pub mod sensor;
pub mod window;
