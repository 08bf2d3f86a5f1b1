//! What commands write, the same for `genims` and `genims-dev`: results on standard output ([`say!`]), progress and errors on
//! standard error ([`Progress`], [`told`]).

mod error;
mod output;
mod progress;

pub use error::told;
pub use output::{line, written};
pub use progress::Progress;
