//! What goes over the wire, written anew: nothing here is shared with the server, so that a bug of its codecs shows.
//!
//! - [`mqtt`]: MQTT 3.1.1 and 5 packets, as far as a publisher needs them
//! - [`frame`]: the binary frame
//! - [`text`]: numbers in ten-thousandths, as text

pub mod frame;
pub mod mqtt;
pub mod text;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    #[error("the server sent a malformed packet: {0}")]
    Malformed(&'static str),
    #[error("the server refused: {0}")]
    Refused(String),
}
