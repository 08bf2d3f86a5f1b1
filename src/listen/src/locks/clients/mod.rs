//! Clients: who may come in, with which secret, and what they may send. A file enters; leaves the client that a name and a
//! secret or a token, or a certificate, stand for.
//!
//! - [`file`]: the file's form; read, changed and written
//!
//! The file is read again when it changes. One that cannot be read leaves in force what was read before; one that is gone
//! lets nobody in.

pub mod file;

pub use file::ClientEntry;

use super::usage::{Limits, Usage};
use crate::notices::Peer;
use arc_swap::ArcSwap;
use genims_decode::topic::is_of_rows;
use genims_locks::LockError;
use genims_locks::refusals::RefusalKind;
use genims_locks::secret::{TOKEN_CHARS, digest};
use genims_locks::tries::{Tries, Unheard};
use genims_locks::watch::Watched;
use genims_pipeline::intake::{Scope, Tables};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::time::Instant;

/// The file's name in the data folder.
pub const FILE: &str = "clients.toml";

/// `[clients]`: whoever sends has to log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientOptions {
    /// `clients.toml` in the data folder if not given.
    pub file: Option<PathBuf>,
    /// So many wrong secrets in a row, from one address for one name, lock the name for that address.
    pub failures_max: u32,
    #[serde(with = "humantime_serde")]
    pub lockout: Duration,
    /// What each client may take whose account says nothing else; 0 is no limit.
    pub readings_per_second_max: u64,
    pub connections_max: u64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            file: None,
            failures_max: 10,
            lockout: Duration::from_secs(300),
            readings_per_second_max: 0,
            connections_max: 0,
        }
    }
}

impl ClientOptions {
    pub fn path(&self, data_dir: &Path) -> PathBuf {
        self.file.clone().unwrap_or_else(|| data_dir.join(FILE))
    }
}

/// What a client shows beside its certificate.
#[derive(Clone, Copy, Default)]
pub(crate) struct Credentials<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) secret: &'a [u8],
}

/// One client, as connections need it.
#[derive(Debug)]
pub(crate) struct KnownClient {
    pub(crate) name: Box<str>,
    pub(crate) disabled: bool,
    hash: Option<Box<str>>,
    /// Digests.
    tokens: Box<[String]>,
    /// Filters of the topics that it may publish under; `None` is all.
    pub(crate) topics: Option<Box<[Box<str>]>>,
    pub(crate) scope: Scope,
    pub(super) limits: Limits,
    /// The same one however often the file is read.
    pub(super) usage: Arc<Usage>,
}

impl KnownClient {
    /// Nobody guesses one: it is looked at at once, and who shows it is heard however often others were wrong under its name.
    fn has_token(&self, shown: &[u8]) -> bool {
        !self.tokens.is_empty() && shown.len() == TOKEN_CHARS && self.tokens.contains(&digest(shown))
    }

    fn unless_disabled(self: Arc<Self>) -> Result<Option<Arc<Self>>, Denied> {
        if self.disabled { Err(Denied::Disabled) } else { Ok(Some(self)) }
    }

    /// Rows are held to tables, at the intake.
    #[inline]
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        let fits = |filters: &[Box<str>]| filters.iter().any(|filter| crate::topic::matches(filter, topic));
        self.topics.as_ref().is_none_or(|filters| fits(filters) || is_of_rows(topic))
    }
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("no such client; `genims client add` makes one")]
    Unknown,
    #[error("the secret is wrong; `genims client rotate` draws another")]
    Wrong,
    #[error("locked out after too many wrong secrets; it may try again later")]
    LockedOut,
    #[error("the client is disabled; `genims client enable` lets it in again")]
    Disabled,
    #[error("it showed neither a name and secret nor a certificate")]
    Nobody,
    #[error("it is held to topics, which this protocol does not have; hold it to machines with `genims client allow`")]
    TopicsOnly,
    #[error("too many logins at once; it may try again later")]
    Busy,
    #[error("it has as many connections as it may; `genims client limit` says how many")]
    ConnectionsOfClient,
    #[error("its address has as many connections as it may (connections_per_address_max)")]
    ConnectionsOfAddress,
}

impl Denied {
    pub(super) fn kind(self) -> RefusalKind {
        match self {
            Self::Unknown => RefusalKind::UnknownName,
            Self::Wrong => RefusalKind::WrongSecret,
            Self::LockedOut => RefusalKind::LockedOut,
            Self::Disabled => RefusalKind::Disabled,
            Self::Nobody => RefusalKind::Nobody,
            Self::TopicsOnly => RefusalKind::Topic,
            Self::Busy => RefusalKind::Busy,
            Self::ConnectionsOfClient | Self::ConnectionsOfAddress => RefusalKind::ConnectionLimit,
        }
    }
}

#[derive(Debug)]
pub struct Clients {
    path: PathBuf,
    options: ClientOptions,
    by_name: ArcSwap<ByName>,
    /// Counts the readings of the file.
    reading: AtomicU64,
    watched: Mutex<Watched>,
    tries: Tries,
}

impl Clients {
    /// A file that is not there is one without clients.
    pub fn open(path: &Path, options: &ClientOptions) -> Result<Arc<Self>, LockError> {
        let watched = Watched::new(vec![path.to_owned()]);
        let by_name = read(path, options, &HashMap::new())?;
        if by_name.is_empty() {
            tracing::warn!(file = %path.display(), "there are no clients: nobody is let in; `genims client add NAME`");
        }
        // Half of the cores at most.
        let hashing = available_parallelism().map_or(1, |cores| cores.get() / 2);
        Ok(Arc::new(Self {
            path: path.to_owned(),
            options: options.clone(),
            by_name: ArcSwap::from_pointee(by_name),
            reading: AtomicU64::new(1),
            watched: Mutex::new(watched),
            tries: Tries::new(options.failures_max, options.lockout, hashing),
        }))
    }

    pub(crate) fn reading(&self) -> u64 {
        self.reading.load(Ordering::Acquire)
    }

    pub(crate) fn client(&self, name: &str) -> Option<Arc<KnownClient>> {
        self.by_name.load().get(name).cloned()
    }

    /// Reads the file anew if it has changed.
    pub(super) fn look(&self, everything: bool) {
        if !self.watched.lock().is_due(everything) {
            return;
        }
        let before = self.by_name.load_full();
        match read(&self.path, &self.options, &before) {
            Ok(by_name) => {
                // Whoever has a new secret may try it at once.
                for client in by_name.values() {
                    if before.get(&client.name).is_none_or(|earlier| earlier.hash != client.hash) {
                        self.tries.forget(&client.name);
                    }
                }
                tracing::info!(clients = by_name.len(), "the file of clients was read again");
                self.by_name.store(Arc::new(by_name));
                self.reading.fetch_add(1, Ordering::Release);
            }
            Err(error) => {
                tracing::error!(%error, "the file of clients cannot be read again; what was read before stays in force");
            }
        }
    }

    /// Who it is; `None` for one that shows nothing. A certificate is enough where it names the client.
    pub(crate) async fn admit(
        &self,
        identity: Option<&str>,
        shown: Credentials<'_>,
        peer: Peer,
        deadline: Instant,
    ) -> Result<Option<Arc<KnownClient>>, Denied> {
        let Some(name) = shown.name.or(identity) else { return Ok(None) };
        let client = self.client(name);
        if identity == Some(name) {
            return client.ok_or(Denied::Unknown)?.unless_disabled();
        }
        if let Some(client) = client.as_ref().filter(|client| client.has_token(shown.secret)) {
            return client.clone().unless_disabled();
        }
        let hash = client.as_ref().and_then(|client| client.hash.as_deref());
        // A name that nobody has takes as long as one with a wrong secret.
        let right = self.tries.verify((&peer.host(), name), shown.secret, hash, deadline).await;
        let right = right.map_err(|unheard| match unheard {
            Unheard::LockedOut => Denied::LockedOut,
            Unheard::Busy => Denied::Busy,
        })?;
        match client {
            Some(client) if right => client.unless_disabled(),
            Some(_) => Err(Denied::Wrong),
            None => Err(Denied::Unknown),
        }
    }
}

type ByName = HashMap<Box<str>, Arc<KnownClient>>;

/// `before`: those that were read last. Whoever is still there goes on with what it has taken.
fn read(path: &Path, options: &ClientOptions, before: &ByName) -> Result<ByName, LockError> {
    let client = |entry: ClientEntry| {
        let tables = Tables::new(&entry.rows).map_err(|cause| LockError::Form {
            path: path.to_owned(),
            what: "clients",
            cause,
        })?;
        let name: Box<str> = entry.name.into();
        let boxed = |list: Vec<String>| list.into_iter().map(String::into_boxed_str);
        let limits = Limits::new(
            entry.readings_per_second_max.unwrap_or(options.readings_per_second_max),
            entry.connections_max.unwrap_or(options.connections_max),
        );
        let client = KnownClient {
            name: name.clone(),
            disabled: entry.disabled,
            hash: entry.hash.map(Into::into),
            tokens: entry.tokens.into(),
            topics: entry.topics.map(|topics| boxed(topics).collect()),
            scope: Scope {
                machines: entry.machines.map(|machines| Arc::new(boxed(machines).collect())),
                tables: Some(tables),
            },
            limits,
            usage: before.get(&name).map(|earlier| earlier.usage.clone()).unwrap_or_default(),
        };
        Ok((name, Arc::new(client)))
    };
    file::read(path)?.into_iter().map(client).collect()
}
