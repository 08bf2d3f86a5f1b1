//! What is made of a reading: pure, time and thresholds are arguments.
//!
//! - [`sensor`]: what a shard makes of one reading, with [`window`], [`anomaly`], [`faults`], [`health`] and `crossings`
//!   (limits crossed, unusual stretches, parts measured); `watch`: the hysteresis of a limit
//! - [`machine`]: what a machine's snapshots say: states, counts, OEE; `hour`: its sums; `meters`: energy, tools, operators

pub mod anomaly;
mod crossings;
mod earlier;
pub mod faults;
pub mod health;
mod hour;
pub mod machine;
pub mod meters;
#[cfg(test)]
mod sample;
pub mod sensor;
mod watch;
pub mod window;
