//! What goes over the wire, written anew: nothing here is shared with the server, so that a bug of its codecs shows.
//!
//! - [`mqtt`]: MQTT 3.1.1 and 5 packets, as far as a publisher needs them
//! - [`frame`]: the binary frame
//! - [`text`]: numbers in ten-thousandths, as text

pub mod frame;
pub mod mqtt;
pub mod text;

/// As whom a connection comes.
#[derive(Clone, Debug)]
pub struct Identity {
    pub client_id: String,
    pub login: Option<Login>,
}

/// An account at the server.
#[derive(Clone)]
pub struct Login {
    pub name: String,
    pub secret: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Login").field("name", &self.name).finish_non_exhaustive()
    }
}

impl From<String> for Identity {
    fn from(client_id: String) -> Self {
        Self { client_id, login: None }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    #[error("the server sent a malformed packet: {0}")]
    Malformed(&'static str),
    #[error("the server refused: {0}")]
    Refused(String),
}
