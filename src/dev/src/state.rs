//! What a stack remembers between commands: ports, pids, and which servers are initialised.
//!
//! Read and written only while the stack's lock is held; the file is replaced whole.

use super::error::{DevstackError, Result};
use super::place::Place;
use super::process::ProcessId;
use super::{Server, ports};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::time::{Duration, Instant};

/// Longer than the first start of all servers on a slow disk.
const LOCK_WAIT: Duration = Duration::from_secs(90);
const LOCK_POLL: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) servers: BTreeMap<Server, Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) port: u16,
    /// Only mosquitto needs a second port for TLS; the others do both on one.
    pub(super) tls_port: Option<u16>,
    /// The server has answered once; until then a start makes its data directory anew.
    pub(super) initialised: bool,
    pub(super) process: Option<ProcessId>,
}

impl State {
    /// The remembered state, with ports for all servers.
    pub(super) fn load(place: &Place) -> Result<Self> {
        let path = place.state_file();
        let mut state = match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| DevstackError::State { path: path.clone(), source })?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(DevstackError::io("read", &path)(error)),
        };
        let missing: Vec<Server> = Server::ALL.into_iter().filter(|s| !state.servers.contains_key(s)).collect();
        for server in missing {
            let port = ports::free_port(&state.ports())?;
            state.servers.insert(server, Record { port, tls_port: None, initialised: false, process: None });
            state.choose_tls_port(server)?;
        }
        Ok(state)
    }

    pub(super) fn save(&self, place: &Place) -> Result<()> {
        let path = place.state_file();
        let text =
            serde_json::to_vec_pretty(self).map_err(|source| DevstackError::State { path: path.clone(), source })?;
        place.account.write_secret(&path, &text)
    }

    pub(super) fn record(&mut self, server: Server) -> &mut Record {
        self.servers.get_mut(&server).expect("load() enters every server")
    }

    /// New ports for a server whose old ones somebody else has taken.
    pub(super) fn choose_ports(&mut self, server: Server) -> Result<()> {
        let port = ports::free_port(&self.ports())?;
        self.record(server).port = port;
        self.choose_tls_port(server)
    }

    fn choose_tls_port(&mut self, server: Server) -> Result<()> {
        if server == Server::Mosquitto {
            self.record(server).tls_port = Some(ports::free_port(&self.ports())?);
        }
        Ok(())
    }

    fn ports(&self) -> Vec<u16> {
        self.servers.values().flat_map(Record::ports).collect()
    }
}

impl Record {
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        std::iter::once(self.port).chain(self.tls_port)
    }
}

/// Waits for the stack's lock; dropping the file releases it, also when the process dies.
pub(super) fn lock(place: &Place) -> Result<File> {
    let path = place.lock_file();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(DevstackError::io("open", &path))?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => {
                return Err(DevstackError::Locked { path, waited_s: LOCK_WAIT.as_secs() });
            }
            Err(TryLockError::Error(error)) => return Err(DevstackError::io("lock", &path)(error)),
        }
    }
}
