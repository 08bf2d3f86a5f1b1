//! `genims seed`: deterministic data for every database.
//!
//! [`plant`] makes the master data of the stream, [`history`] its last days; [`spec`] reads what `config/seed` says about
//! all other tables in the [`language`] of expressions; [`world`] computes it; [`load`] brings it into the databases;
//! [`tsv`] writes it down; [`Sweep`] holds it to its schemas on any day, without a server.

mod audit;
mod errors;
mod functions;
pub mod history;
mod language;
pub mod load;
pub mod plant;
mod render;
mod spec;
mod supplied;
mod sweep;
mod tsv;
mod value;
mod words;
mod world;

pub use errors::SeedError;
pub use plant::{ForeignPlant, PlantProgress, PlantSize, Summary, foreign_plant, plant};
pub use render::{Rendered, render};
pub use spec::Scale;
pub use sweep::{Sweep, SweptDay, is_turn_of_month};
pub use world::{Broken, Parameters};
