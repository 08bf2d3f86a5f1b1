//! A stack that begins as another's copy: many tests want servers of their own in the same state, and a copy costs far
//! less than making each anew.

use super::error::{DevstackError, Result};
use super::place::Place;
use super::stack::Stack;
use super::state::{self, State};
use super::{Server, run_to_end};
use std::path::Path;
use std::process::Command;

impl Stack {
    /// Makes `dir` a stack whose `servers` hold what they hold here; starts nothing. A server that has never been started
    /// here begins empty there, one that runs is refused: its files change while they are read.
    pub fn copy_to(&self, dir: &Path, servers: &[Server], in_memory: bool) -> Result<()> {
        let _lock = self.lock_and_reload()?;
        let place = Place::ensure(dir, in_memory)?;
        let _its_lock = state::lock(&place)?;
        place.account.write_secret(&place.password_file(), self.password.as_bytes())?;
        let mut copied = State::load(&place)?;
        for server in servers.iter().copied().filter(|server| self.state().record(*server).initialised) {
            if self.running(server).is_some() {
                return Err(DevstackError::Running { server });
            }
            // Journals are mostly zeros.
            let mut copy = Command::new("cp");
            copy.args(["--archive", "--sparse=always"]).arg(self.place.server(server)).arg(place.data());
            run_to_end(&mut copy)?;
            copied.record(server).initialised = true;
        }
        copied.save(&place)
    }
}
