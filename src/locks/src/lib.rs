//! Who may come in, for every door: what the listeners and the HTTP side share. Files enter; leave TLS, whether a secret is
//! right, and what was refused.
//!
//! - [`options`]: what a door is told of TLS
//! - [`tls`]: certificates, keys and revocation lists, read again when their files change
//! - [`certificate`]: what a client's certificate says of it
//! - [`expiry`]: from when until when the content of a PEM file may be used
//! - [`file`]: files of accounts: read, changed and written
//! - [`secret`]: secrets and their hashes
//! - [`network`]: whose address counts as whose
//! - [`tries`]: whether a secret is right, and whether it is heard at all; `logins`: verified aside from the threads that serve
//!   connections; `lockout`: names that were tried with wrong secrets too often
//! - [`watch`]: whether files have changed
//! - [`refusals`]: who was refused what, folded by client and minute

pub mod certificate;
pub mod expiry;
pub mod file;
pub mod network;
pub mod options;
pub mod refusals;
pub mod secret;
pub mod tls;
pub mod tries;
pub mod watch;

mod error;
mod lockout;
mod logins;

pub use error::LockError;
