//! What commands write, the same for `genims` and `genims-dev`: results on standard output ([`say!`]), progress and errors on
//! standard error ([`Progress`], [`told`]).

mod error;
mod progress;
mod say;

pub use error::told;
pub use progress::Progress;
pub use say::line;
