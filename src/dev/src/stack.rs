//! The stack: servers started, stopped, killed and paused together or one by one.

use super::error::{DevstackError, Result};
use super::place::{Place, absent_is_fine};
use super::process::ProcessId;
use super::programs::Programs;
use super::state::{self, State};
use super::{Launch, Server, describe, env_file, mariadb, mongod, mosquitto, ports, postgres, probe};
use genims_model::Backoff;
use parking_lot::{Mutex, MutexGuard};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Crash recovery of a large database included.
const START_WAIT: Duration = Duration::from_secs(60);
/// A server can lose the race for its port, or find the last remains of its killed predecessor.
const START_ATTEMPTS: u32 = 4;
const START_PAUSE_MIN: Duration = Duration::from_millis(200);
const START_PAUSE_MAX: Duration = Duration::from_secs(2);
const PROBE_PAUSE: Duration = Duration::from_millis(30);
/// How long a remembered port may still be held by what is left of the killed predecessor.
const PORT_WAIT: Duration = Duration::from_secs(2);
/// A fast shutdown writes out the cache first.
const STOP_WAIT: Duration = Duration::from_secs(30);
const KILL_WAIT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackOptions {
    /// The folder of the stack; made when missing.
    pub dir: PathBuf,
    pub servers: Vec<Server>,
    /// Little memory: caches of 64 to 256 MB instead of 256 MB to 1 GB; and mongod takes the commands that make
    /// it fail, for tests. Counts for servers started by this call.
    pub small: bool,
    /// A new stack's data is in memory (`/dev/shm`): gone with the machine, and no disk is waited for.
    pub in_memory: bool,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self { dir: PathBuf::from(".genims"), servers: Server::ALL.to_vec(), small: false, in_memory: false }
    }
}

/// Hears what a command waits for.
pub type Tell<'t> = dyn Fn(&str) + Sync + 't;

/// Dropping it leaves the servers running.
#[derive(Debug)]
pub struct Stack {
    pub(super) place: Place,
    pub(super) password: String,
    small: bool,
    state: Mutex<State>,
    /// Servers started by this process, to be reaped when they end.
    children: Mutex<BTreeMap<Server, Child>>,
}

impl Stack {
    /// Starts what is not running and returns when each of `options.servers` has answered. When one cannot be started,
    /// those that this call started are stopped again.
    pub fn start(options: &StackOptions) -> Result<Self> {
        let programs = Programs::require(&options.servers)?;
        let stack = Self::at(Place::ensure(&options.dir, options.in_memory)?, options.small)?;
        stack.start_all(&programs, &options.servers)?;
        Ok(stack)
    }

    /// The stack in a folder, if there is one; starts nothing.
    pub fn open(dir: &Path) -> Result<Option<Self>> {
        Place::existing(dir)?.map(|place| Self::at(place, false)).transpose()
    }

    fn at(place: Place, small: bool) -> Result<Self> {
        let password = place.password()?;
        let state = Mutex::new(State::load(&place)?);
        Ok(Self { place, password, small, state, children: Mutex::default() })
    }

    pub fn start_server(&self, server: Server) -> Result<()> {
        self.start_all(&Programs::require(&[server])?, &[server])
    }

    /// Asks the server to shut down in order, and kills it when it has not within 30 s. A server that is not running
    /// is left alone.
    pub fn stop_server(&self, server: Server) -> Result<()> {
        let _lock = self.lock_and_reload()?;
        self.end(server, shutdown_signal(server))
    }

    /// SIGKILL: what the server had not made durable is lost.
    pub fn kill_server(&self, server: Server) -> Result<()> {
        let _lock = self.lock_and_reload()?;
        self.end(server, Signal::KILL)
    }

    /// SIGSTOP to the server and the processes it started: connections stay open and nothing answers.
    pub fn pause_server(&self, server: Server) -> Result<()> {
        self.signal_tree(server, Signal::STOP)
    }

    pub fn resume_server(&self, server: Server) -> Result<()> {
        self.signal_tree(server, Signal::CONT)
    }

    pub fn stop(&self) -> Result<()> {
        self.stop_telling(&|_: &str| ())
    }

    /// As [`Stack::stop`]; `tell` hears what is waited for.
    pub fn stop_telling(&self, tell: &Tell<'_>) -> Result<()> {
        self.end_all(shutdown_signal, "write out what is in memory", tell)
    }

    fn end_all(&self, signal: fn(Server) -> Signal, to: &str, tell: &Tell<'_>) -> Result<()> {
        tell("waiting until no other command works on these servers");
        let _lock = self.lock_and_reload()?;
        let running = Server::ALL.into_iter().filter(|server| self.running(*server).is_some());
        let awaited = Mutex::new(running.collect::<Vec<Server>>());
        tell(&waits_for(&awaited.lock(), to));
        in_parallel(&Server::ALL, |server| {
            let ended = self.end(server, signal(server));
            let mut awaited = awaited.lock();
            awaited.retain(|other| *other != server);
            tell(&waits_for(&awaited, to));
            ended
        })
    }

    /// Moves the data of a stopped stack to the disk, if it is in memory.
    pub fn leave_memory(self) -> Result<()> {
        self.place.leave_memory()
    }

    /// Stops everything and deletes the folder with all data, and `env_file` if this stack wrote it.
    pub fn delete(self, env_file: Option<&Path>) -> Result<()> {
        self.delete_telling(env_file, &|_: &str| ())
    }

    /// As [`Stack::delete`]; `tell` hears what is waited for. No server writes out what is deleted next.
    pub fn delete_telling(self, env_file: Option<&Path>, tell: &Tell<'_>) -> Result<()> {
        self.end_all(signal_before_deletion, "end", tell)?;
        tell(&format!("deleting {}", self.place.data().display()));
        if let Some(path) = env_file {
            env_file::delete(self.folder(), path)?;
        }
        self.place.delete()
    }

    fn start_all(&self, programs: &Programs, servers: &[Server]) -> Result<()> {
        let _lock = self.lock_and_reload()?;
        self.update(|_| Ok(()))?;
        let stopped: Vec<Server> = servers.iter().copied().filter(|server| self.running(*server).is_none()).collect();
        let started = in_parallel(servers, |server| self.bring_up(programs, server));
        if started.is_err() {
            // The cause of the failed start is what the caller needs to hear.
            let _ = in_parallel(&stopped, |server| self.end(server, shutdown_signal(server)));
        }
        started
    }

    fn bring_up(&self, programs: &Programs, server: Server) -> Result<()> {
        if let Some(process) = self.running(server) {
            let record = *self.state().record(server);
            return self.wait_ready(&self.launch(programs, record.port, record.tls_port), server, process, false);
        }
        let (mut attempt, mut backoff) = (1, Backoff::new(START_PAUSE_MIN, START_PAUSE_MAX));
        loop {
            match self.try_once(programs, server) {
                Err(DevstackError::Exited { .. }) if attempt < START_ATTEMPTS => {
                    attempt += 1;
                    std::thread::sleep(backoff.next_delay());
                }
                Err(error) => {
                    // As above: the first error is the one that counts.
                    let _ = self.end(server, Signal::KILL);
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    fn try_once(&self, programs: &Programs, server: Server) -> Result<()> {
        self.claim_ports(server)?;
        let record = *self.state().record(server);
        let launch = self.launch(programs, record.port, record.tls_port);
        if !record.initialised {
            self.initialise(&launch, server)?;
        }
        let process = self.spawn(&launch, server)?;
        self.wait_ready(&launch, server, process, !record.initialised)?;
        self.update(|state| {
            state.record(server).initialised = true;
            Ok(())
        })
    }

    fn initialise(&self, launch: &Launch<'_>, server: Server) -> Result<()> {
        let folder = self.place.server(server);
        // What an interrupted first start left.
        absent_is_fine(fs::remove_dir_all(&folder)).map_err(DevstackError::io("delete", &folder))?;
        match server {
            Server::Postgres => postgres::initialise(launch),
            Server::Mariadb => mariadb::initialise(launch),
            Server::Mongodb => mongod::initialise(launch),
            Server::Mosquitto => mosquitto::initialise(launch),
        }
    }

    /// Keeps the remembered ports unless somebody else has them.
    fn claim_ports(&self, server: Server) -> Result<()> {
        let deadline = Instant::now() + PORT_WAIT;
        let record = *self.state().record(server);
        while !record.ports().all(ports::is_free) {
            if Instant::now() >= deadline {
                return self.update(|state| state.choose_ports(server));
            }
            std::thread::sleep(PROBE_PAUSE);
        }
        Ok(())
    }

    fn spawn(&self, launch: &Launch<'_>, server: Server) -> Result<ProcessId> {
        let mut command = match server {
            Server::Postgres => postgres::command(launch)?,
            Server::Mariadb => mariadb::command(launch)?,
            Server::Mongodb => mongod::command(launch)?,
            Server::Mosquitto => mosquitto::command(launch)?,
        };
        let path = self.place.log(server);
        let log = File::options().create(true).append(true).open(&path).map_err(DevstackError::io("open", &path))?;
        self.place.account.own(&path)?;
        let errors = log.try_clone().map_err(DevstackError::io("open", &path))?;
        // A group of its own: Ctrl-C in the terminal is not meant for the servers.
        command.stdout(Stdio::from(log)).stderr(Stdio::from(errors)).process_group(0);
        let program = PathBuf::from(command.get_program());
        let child = command.spawn().map_err(DevstackError::io("run", &program))?;
        let Some(process) = ProcessId::of(child.id()) else {
            return Err(self.exited(server, child));
        };
        self.children.lock().insert(server, child);
        self.update(|state| {
            state.record(server).process = Some(process);
            Ok(())
        })?;
        Ok(process)
    }

    fn wait_ready(&self, launch: &Launch<'_>, server: Server, process: ProcessId, first: bool) -> Result<()> {
        let deadline = Instant::now() + START_WAIT;
        loop {
            let answer = match server {
                Server::Postgres => probe::postgres(launch),
                Server::Mariadb => probe::mariadb(launch),
                Server::Mongodb => probe::mongodb(launch, first),
                Server::Mosquitto => probe::mosquitto(launch),
            };
            // Alive as well as answering: otherwise somebody else has answered on a port that the server lost.
            let alive = process.is_alive();
            match answer {
                Ok(()) if alive => return Ok(()),
                _ if !alive => {
                    let child = self.children.lock().remove(&server);
                    return Err(child.map_or(DevstackError::NotRunning { server }, |child| self.exited(server, child)));
                }
                Err(reason) if Instant::now() >= deadline => {
                    let (log, tail) = self.log_for_error(server);
                    return Err(DevstackError::NotReady { server, waited_s: START_WAIT.as_secs(), reason, log, tail });
                }
                _ => std::thread::sleep(PROBE_PAUSE),
            }
        }
    }

    fn exited(&self, server: Server, mut child: Child) -> DevstackError {
        let status = child.wait().map_or_else(|error| error.to_string(), describe);
        let (log, tail) = self.log_for_error(server);
        DevstackError::Exited { server, status, log, tail }
    }

    fn log_for_error(&self, server: Server) -> (PathBuf, String) {
        let tail = self.log_tail(server, super::TAIL_LINES).unwrap_or_else(|error| error.to_string());
        (self.place.log(server), tail)
    }

    /// Ends a server, first with `signal`, then with SIGKILL; returns when it and the processes it started are gone.
    fn end(&self, server: Server, signal: Signal) -> Result<()> {
        if let Some(process) = self.running(server) {
            let family = process.family();
            process.signal(signal);
            // A paused server hears nothing until it goes on.
            signal_all(&family, Signal::CONT);
            if !process.wait_gone(if signal == Signal::KILL { KILL_WAIT } else { STOP_WAIT }) {
                signal_all(&family, Signal::KILL);
            }
            for member in family {
                if !member.wait_gone(KILL_WAIT) {
                    return Err(DevstackError::Unkillable { server, pid: member.pid, waited_s: KILL_WAIT.as_secs() });
                }
            }
        }
        if let Some(mut child) = self.children.lock().remove(&server) {
            child.wait().map_err(DevstackError::io("reap", self.place.data()))?;
        }
        self.update(|state| {
            state.record(server).process = None;
            Ok(())
        })
    }

    fn signal_tree(&self, server: Server, signal: Signal) -> Result<()> {
        let process = self.running(server).ok_or(DevstackError::NotRunning { server })?;
        signal_all(&process.family(), signal);
        Ok(())
    }

    pub(super) fn running(&self, server: Server) -> Option<ProcessId> {
        self.state().record(server).process.filter(|process| process.serves(self.place.data()))
    }

    fn launch<'a>(&'a self, programs: &'a Programs, port: u16, tls_port: Option<u16>) -> Launch<'a> {
        Launch { place: &self.place, programs, password: &self.password, port, tls_port, small: self.small }
    }

    pub(super) fn lock_and_reload(&self) -> Result<File> {
        let file = state::lock(&self.place)?;
        *self.state() = State::load(&self.place)?;
        Ok(file)
    }

    fn update(&self, change: impl FnOnce(&mut State) -> Result<()>) -> Result<()> {
        let mut state = self.state();
        change(&mut state)?;
        state.save(&self.place)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

fn signal_all(processes: &[ProcessId], signal: Signal) {
    for process in processes {
        process.signal(signal);
    }
}

/// For people; without names nothing is waited for.
fn waits_for(servers: &[Server], to: &str) -> String {
    let names: Vec<&str> = servers.iter().map(|server| server.name()).collect();
    match &names[..] {
        [] => String::new(),
        names => format!("waiting for {} to {to}, {} s at most", names.join(", "), STOP_WAIT.as_secs()),
    }
}

/// Its data goes: a shutdown in order would write out gigabytes that are deleted right afterwards, which on a slow disk took
/// until the server was killed.
fn signal_before_deletion(server: Server) -> Signal {
    match server {
        // "Immediate shutdown": its processes end with it, and so does the memory that they share.
        Server::Postgres => Signal::QUIT,
        Server::Mariadb | Server::Mongodb | Server::Mosquitto => Signal::KILL,
    }
}

/// Clients are cut off, data is written out.
fn shutdown_signal(server: Server) -> Signal {
    match server {
        // "Fast shutdown"; SIGTERM would wait for every client to leave.
        Server::Postgres => Signal::INT,
        Server::Mariadb | Server::Mongodb | Server::Mosquitto => Signal::TERM,
    }
}

/// Does the same for all servers at once; the first error in order of the servers wins.
fn in_parallel(servers: &[Server], act: impl Fn(Server) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> = servers.iter().map(|server| scope.spawn(move || act(*server))).collect();
        let results: Vec<Result<()>> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        results.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_named() {
        let both = waits_for(&[Server::Mariadb, Server::Mongodb], "end");
        assert_eq!(both, "waiting for mariadb, mongodb to end, 30 s at most");
        assert_eq!(waits_for(&[], "end"), "");
    }
}
