//! What goes wrong: with databases and disk while the server works, with the data folder while it stands.

use crate::database::{Database, lock};
use crate::plan::Damage;
use crate::server::{ROUTED, SPOOL, Server, events_options, spool_options};
use crate::world::{World, fault};
use genims_log::file::SpoolOptions;
use genims_log::file::simulated::{self, Call};
use genims_log::history::Resume;
use genims_model::Position;
use rand::RngExt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

impl World {
    /// Before a step.
    pub(crate) fn disturb(&mut self, server: &Server) {
        for index in 0..self.databases.len() {
            let database = self.databases[index].clone();
            let mut database = lock(&database);
            let random = if index == ROUTED { &mut self.added } else { &mut self.random };
            if random.random_bool(0.15) {
                database.faults.push_back(fault(random));
            }
            if random.random_bool(0.05) {
                database.is_away = !database.is_away;
            }
            if random.random_bool(0.04) {
                self.backups[index] = Some(database.contents.clone());
            }
            if random.random_bool(0.02)
                && let Some(backup) = self.backups[index].take()
            {
                let log = server.log(index).name();
                let offset = backup.positions.get(&log).map(Position::next_offset);
                self.note(format_args!("{} goes back to {offset:?}", database.name));
                database.goes_back_to(backup);
            }
        }
        match self.random.random_range(0..60) {
            0 => self.disk.fail_syncs(true),
            1 | 2 => {
                let used = usize::try_from(server.spool.bytes()).expect("a small log");
                let capacity = used + self.random.random_range(0..20_000) + 90_000;
                self.note(format_args!("room for {capacity}"));
                self.disk.set_capacity(Some(capacity));
            }
            3 => self.disk.set_full_at_sync(0.3),
            4 => self.disk.set_no_handles(true),
            15..18 => self.fail_calls(0.2),
            5..15 => {
                self.disk.set_capacity(None);
                Call::ALL.into_iter().for_each(|call| self.disk.fail_calls(call, 0.0));
                self.disk.set_full_at_sync(0.0);
                self.disk.set_no_handles(false);
            }
            _ => {}
        }
    }

    /// Opens, reads, writes or names answer EIO now and then.
    pub(crate) fn fail_calls(&mut self, probability: f64) {
        let call = Call::ALL[self.random.random_range(0..Call::ALL.len())];
        self.note(format_args!("EIO: {call:?}"));
        self.disk.fail_calls(call, probability);
    }

    /// While the server stands still in order.
    pub(crate) fn harm(&mut self) {
        self.lives_since_harm = 0;
        match self.plan.damage {
            Damage::None => {}
            Damage::Rot => {
                self.before_harm = Some(self.disk.copy());
                if let Some((file, at)) = self.disk.rot() {
                    self.note(format_args!("rot in {} at {at}", file.display()));
                    if file.starts_with(SPOOL) {
                        // The memory of resends is rebuilt from what every consumer has passed: what rots there is forgotten.
                        self.ledger.forget_unacknowledged();
                    }
                }
            }
            Damage::OldCopy => match self.old_copy.take() {
                // Once a run: what two of them may cost is nobody's guess.
                None if self.before_harm.is_some() => {}
                None => self.old_copy = Some((self.disk.copy(), self.ledger.acknowledged_keys())),
                Some((copy, known)) => {
                    self.note(format_args!("the data folder is put back to an older copy"));
                    self.before_harm = Some(self.disk.copy());
                    self.disk.restore(&copy);
                    // A database that lagged shows nothing of it, and nobody can know.
                    self.ledger.lost = self.ledger.all().difference(&known).cloned().collect();
                    self.known_to_copy = Some(known);
                }
            },
        }
    }

    /// The remedy that always helps: the data folder as it was.
    pub(crate) fn restore_before_harm(&mut self) {
        let copy = self.before_harm.take().expect("a start refuses only what was harmed");
        self.disk.restore(&copy);
    }

    /// The doors are closed because the databases know another history: either the newer data folder comes back, or the log
    /// goes on from where the histories part, as `genims log adopt` has it.
    pub(crate) async fn adopt(&mut self, server: Server) -> Server {
        let refusals = server.sinks.iter().find_map(|sink| sink.log.spool.refusal());
        assert_ne!(self.plan.damage, Damage::None, "a history is lost without damage: {refusals:?}");
        let refusal = refusals.expect("a log that takes nothing says why");
        assert!(refusal.contains("`genims log adopt`"), "{refusal}");
        // An epoch that rotted may be shared by everything that came later.
        let known = self.known_to_copy.take().unwrap_or_default();
        // Once: a database that followed the older copy meanwhile is refused by the newer folder as well.
        let newer_is_there = self.before_harm.is_some() && self.lives_since_harm == 0;
        if self.plan.damage == Damage::OldCopy && newer_is_there && self.chance(0.5) {
            self.note(format_args!("the newer data folder comes back"));
            server.stop(&self.disk).await;
            self.part_from_server();
            self.restore_before_harm();
            self.ledger.lost.clear();
        } else {
            server.stop(&self.disk).await;
            self.part_from_server();
            self.disk.kill_process();
            let all = self.ledger.all();
            self.ledger.lost.extend(all.difference(&known).cloned());
            for (options, databases) in self.logs() {
                self.adopt_history(&options, databases);
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.start(usize::MAX).await.expect("nothing fails any more")
    }

    /// Each log with the databases that follow it.
    fn logs(&self) -> Vec<(SpoolOptions, Range<usize>)> {
        let readings = (spool_options(&self.plan), 0..ROUTED);
        let events = events_options(&self.plan).map(|options| (options, ROUTED..ROUTED + 1));
        [readings].into_iter().chain(events).collect()
    }

    /// With the server stopped: where a database knows more than the log holds, each gets a position in the history that
    /// goes on, under the log's new name.
    fn adopt_history(&mut self, options: &SpoolOptions, databases: Range<usize>) {
        let (_appender, spool, _) = simulated::open(&self.disk, options).expect("the disk works");
        let (name, old) = (Uuid::new_v4(), spool.name());
        let knows_more = |database: &Arc<Mutex<Database>>| {
            let position = lock(database).contents.positions.get(&old).cloned();
            matches!(position.map(|position| spool.resume(&position)), Some(Resume::NotInHistory { .. }))
        };
        if options.directory != Path::new(SPOOL) && !self.databases[databases.clone()].iter().any(knows_more) {
            return;
        }
        for index in databases {
            let database = self.databases[index].clone();
            let mut database = lock(&database);
            let first = spool.first_offset();
            let shared = match database.contents.positions.get(&old).map(|position| spool.resume(position)) {
                Some(Resume::At(offset)) => offset,
                Some(Resume::NotInHistory { shared }) => {
                    shared.or_else(|| spool.cursor(database.name)).unwrap_or(first).max(first)
                }
                Some(Resume::Behind { .. }) | None => first,
            };
            self.note(format_args!("{} adopts the history from {shared} on", database.name));
            let position = spool.position(shared).renamed(name);
            database.contents.positions.insert(name, position);
        }
        spool.adopt(name).expect("the disk works");
        spool.close().expect("the disk works");
        self.disk.kill_process();
    }
}
