//! One run: lives of a server, each with its failures, until everything that was sent is acknowledged and everything that was
//! acknowledged is judged.

use crate::clients::Clients;
use crate::clock;
use crate::database::{Contents, Database, Fault, Key, OPERATIONS, lock};
use crate::ledger::Ledger;
use crate::plan::{Broken, Damage, Extent, MACHINES, Plan, master};
use crate::server::{ROUTED, Server, StartError};
use genims_catalogue::Sensor;
use genims_catalogue::keeper::MasterData;
use genims_log::file::SpoolError;
use genims_log::file::simulated::{Call, Copy, FakeDisk, quarantine};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: ChaCha8Rng,
    pub(crate) disk: FakeDisk,
    /// What decides about lines and routes: the core's runs stay what they were.
    pub(crate) added: ChaCha8Rng,
    /// The operations database, the mirror, and one that has routes.
    pub(crate) databases: Vec<Arc<Mutex<Database>>>,
    /// What each database held at some time: it may come back.
    pub(crate) backups: [Option<Contents>; 3],
    pub(crate) ledger: Ledger,
    clients: Clients,
    master: MasterData,
    /// The disk before it was harmed.
    pub(crate) before_harm: Option<Copy>,
    /// A copy to be put back later, and what had been acknowledged by then.
    pub(crate) old_copy: Option<(Copy, BTreeSet<Key>)>,
    pub(crate) known_to_copy: Option<BTreeSet<Key>>,
    /// Records may have come since: then what was before the harm is no remedy.
    pub(crate) lives_since_harm: usize,
    /// Of the log of events.
    compactions_failed: usize,
    /// Something failed in this life.
    was_failing: bool,
    pub(crate) trace: String,
    /// The trace is shown as it comes.
    shows: bool,
}

/// How a run went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) trace: String,
    pub(crate) done: Done,
}

/// How much a run, or many of them, did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Readings and rows that were acknowledged.
    pub(crate) readings: usize,
    pub(crate) rows: usize,
    /// How often the database that has routes met records of which the log had kept the offsets alone.
    pub(crate) passed: usize,
    pub(crate) compactions_failed: usize,
    /// Rows that a restore took out of it and no log held any more.
    pub(crate) taken_out: usize,
    /// Dead letters of rows that were refused.
    pub(crate) dead_letters: usize,
}

impl std::ops::AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.readings += other.readings;
        self.rows += other.rows;
        self.passed += other.passed;
        self.compactions_failed += other.compactions_failed;
        self.taken_out += other.taken_out;
        self.dead_letters += other.dead_letters;
    }
}

/// Runs one seed; panics where something does not hold.
pub(crate) fn run(seed: u64, broken: Broken, extent: Extent) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        clock::start();
        let mut world = World::new(seed, broken, extent);
        for life in 0..world.plan.lives {
            world.live(life).await;
        }
        world.last_life().await;
        let routed = world.databases.get(ROUTED).map(|routed| lock(routed));
        let (passed, may_lack) = routed.map_or((0, 0), |routed| (routed.passed, routed.may_lack.len()));
        let done = Done {
            readings: world.ledger.acknowledged(),
            rows: world.ledger.rows.acknowledged(),
            passed,
            compactions_failed: world.compactions_failed,
            taken_out: may_lack,
            dead_letters: lock(&world.databases[0]).contents.dead_letters.len(),
        };
        Outcome { trace: world.trace, done }
    })
}

impl World {
    fn new(seed: u64, broken: Broken, extent: Extent) -> Self {
        let (plan, [mut random, mut added]) = Plan::new(seed, broken, extent);
        let disk = FakeDisk::new(random.random());
        disk.set_lying(broken == Broken::LyingDisk);
        let clients = Clients::new(&plan, &mut random, &mut added);
        let mut databases = vec![Database::new(OPERATIONS, true), Database::new("mongo", false)];
        if plan.events_bytes_max.is_some() {
            databases.push(Database::new("routed", added.random_bool(0.5)));
        }
        let shows = std::env::var_os("GENIMS_SEED").is_some();
        if shows {
            println!("{plan:?}");
        }
        Self {
            plan,
            random,
            added,
            disk,
            databases,
            backups: [None, None, None],
            ledger: Ledger::default(),
            master: master(clients.number(), clients.senders()),
            clients,
            before_harm: None,
            old_copy: None,
            known_to_copy: None,
            lives_since_harm: 0,
            compactions_failed: 0,
            was_failing: false,
            trace: format!("{plan:?}\n"),
            shows,
        }
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    pub(crate) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        let at = clock::now_us() % 1_000_000_000_000;
        if self.shows {
            println!("{at} {what}");
        }
        writeln!(self.trace, "{at} {what}").expect("a string takes everything");
    }

    async fn live(&mut self, life: usize) {
        self.lives_since_harm += usize::from(life > 0);
        self.was_failing = false;
        if self.chance(0.2) {
            let operations = self.random.random_range(0..40);
            self.disk.crash_in(operations);
        }
        if self.chance(0.1) {
            self.fail_calls(0.05);
        }
        let Some(mut server) = self.start(life).await else { return };
        if self.disk.is_dead() {
            return self.crash(server).await;
        }
        self.disk.crash_in(u64::MAX);
        if self.chance(0.5) {
            let operations = self.random.random_range(0..200);
            self.disk.crash_in(operations);
        }
        for step in 0..self.random.random_range(5..40) {
            if !self.step(&mut server, step).await {
                return self.crash(server).await;
            }
        }
        if self.chance(0.4) {
            self.note(format_args!("stop"));
            server.stop(&self.disk).await;
            self.part_from_server();
            self.disk.kill_process();
            self.harm();
        } else {
            self.crash(server).await;
        }
    }

    /// Opens what the disk holds. `None` when the process died over it.
    pub(crate) async fn start(&mut self, life: usize) -> Option<Server> {
        loop {
            match Server::start(&self.plan, &self.disk, &self.databases) {
                Ok(mut server) => {
                    self.note(format_args!(
                        "life {life} from {} to {}",
                        server.first_offset,
                        server.spool.next_offset()
                    ));
                    let log = server.spool.name();
                    for database in &self.databases[..ROUTED] {
                        self.ledger.begin_at(&lock(database), log, server.first_offset);
                    }
                    if self.plan.damage == Damage::Rot && server.truncated_bytes > 0 {
                        // Rot in the last records looks like a torn tail.
                        self.ledger.lost_uncounted += 1_000;
                    }
                    server.follow().await;
                    self.follow_master(&server);
                    return Some(server);
                }
                Err(error) if self.disk.is_failing() => {
                    self.note(format_args!("died at the start: {error}"));
                    self.lose_power_or_not();
                    return None;
                }
                Err(error) => {
                    self.note(format_args!("refused: {error}"));
                    self.remedy(&error);
                }
            }
        }
    }

    /// A start that refuses says what to do; that is done.
    fn remedy(&mut self, error: &StartError) {
        assert_eq!(self.plan.damage, Damage::Rot, "nothing is damaged, and the start fails: {error}");
        let says_what_to_do = |word: &str| error.to_string().contains(word);
        assert!([";", "`", "Restore"].into_iter().any(says_what_to_do), "no remedy in: {error}");
        match error {
            StartError::Spool(SpoolError::Damaged { file, .. }) if is_segment(file) => {
                // Somebody has made room and mended the disk: what can be read is written anew.
                self.disk.set_capacity(None);
                let folder = file.parent().expect("in a folder");
                if let Some(segments) = self.quarantine(folder) {
                    assert!(segments > 0, "the start refuses, and nothing is found: {error}");
                }
            }
            _ => self.restore_before_harm(),
        }
    }

    /// How many segments were damaged. `None` when the disk died over it.
    fn quarantine(&mut self, folder: &Path) -> Option<usize> {
        let report = match quarantine(&self.disk, folder) {
            Err(_) if self.disk.is_dead() => return None,
            // Nothing says which log this is.
            Err(error @ SpoolError::Unidentified(_)) => {
                self.note(format_args!("{error}"));
                self.restore_before_harm();
                return None;
            }
            report => report.expect("damage can be set aside"),
        };
        let lost = report.segments.iter().flat_map(|segment| &segment.lost);
        self.ledger.lost_uncounted += lost.map(|lost| lost.below - lost.from).sum::<u64>();
        Some(report.segments.len())
    }

    /// Damage that no saved cursor had in front of it shows when it is read: the server is stopped for it.
    async fn set_aside(&mut self, server: Server, folder: &Path) -> Server {
        assert_eq!(self.plan.damage, Damage::Rot, "nothing is damaged, and a log cannot be read");
        self.note(format_args!("damage in {} is set aside", folder.display()));
        server.stop(&self.disk).await;
        self.part_from_server();
        self.disk.kill_process();
        self.quarantine(folder);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.start(usize::MAX).await.expect("nothing fails any more")
    }

    fn follow_master(&mut self, server: &Server) {
        let registered: Vec<Sensor> = server.keeper.registered();
        for sensor in registered {
            if !self.master.sensors.iter().any(|known| known.sensor_id == sensor.sensor_id) {
                self.master.sensors.push(sensor);
            }
        }
        if self.chance(0.1) {
            let (at, machine) =
                (self.random.random_range(0..self.master.sensors.len()), self.random.random_range(0..MACHINES));
            self.master.sensors[at].machine_id = format!("M{machine}");
        }
        // A disk that fails leaves the catalogue as it was.
        let mut followed = server.keeper.follow(self.master.clone());
        if followed.is_err() && server.keeper.directory().load().sensors().is_empty() {
            // A first start has nothing to go on with: its readings would be dead letters of unknown sensors.
            Call::ALL.into_iter().for_each(|call| self.disk.fail_calls(call, 0.0));
            followed = server.keeper.follow(self.master.clone());
        }
        let shown = followed.map_or_else(|_| "failed".to_owned(), |changes| format!("{changes:?}"));
        self.note(format_args!("master data: {shown}"));
    }

    fn may_have_failed(&self) -> bool {
        self.was_failing || self.disk.is_failing()
    }

    /// A few milliseconds to a few seconds of everybody's work; false when the process has died.
    async fn step(&mut self, server: &mut Server, step: usize) -> bool {
        // What failed while others worked shows when the log is used next.
        self.was_failing |= self.disk.is_failing();
        self.disturb(server);
        let (is_refused, begun_at) = (server.is_refused(), server.spool.next_offset());
        let mut acknowledged = self.clients.work(server, &mut self.ledger, &mut self.random).await;
        let ticks = step % 8 == 7;
        if let Err(error) = server.pump(clock::now_us(), ticks) {
            self.note(format_args!("the log has ended: {error}"));
            assert!(self.may_have_failed(), "the log has ended although nothing failed: {error}");
            return false;
        }
        server.follow().await;
        if self.chance(0.3)
            && server.maintain(&mut self.compactions_failed).is_err()
            && server.spool.failure().is_some()
        {
            self.note(format_args!("housekeeping has ended"));
            assert!(self.may_have_failed(), "the log has ended although nothing failed: {:?}", server.spool.failure());
            return false;
        }
        if self.chance(0.1) {
            self.follow_master(server);
        }
        let rest = if self.chance(0.1) { 5_000 } else { self.random.random_range(1..200) };
        tokio::time::sleep(Duration::from_millis(rest)).await;
        acknowledged += self.clients.hear(server, &mut self.ledger).await;
        // What was durable when they closed may still be acknowledged. A commit that lands late may give its database a place
        // in this history: then they are open again.
        let is_refused = is_refused && server.is_refused();
        assert!(
            !is_refused || server.spool.next_offset() == begun_at,
            "the doors are closed, and something is appended"
        );
        assert!(server.accounts.total().holds(), "{:?}", server.accounts.total());
        let end = server.spool.next_offset();
        self.note(format_args!("step {step}: end {end}, {acknowledged} acknowledged, blocked {}", server.is_blocked()));
        !self.disk.is_dead()
    }

    async fn crash(&mut self, server: Server) {
        self.note(format_args!("crash"));
        server.die(&self.disk).await;
        self.part_from_server();
        self.lose_power_or_not();
    }

    pub(crate) fn part_from_server(&mut self) {
        self.clients.server_died();
        // A disk that is full stays so over a start, mostly.
        if self.chance(0.3) {
            self.disk.set_capacity(None);
        }
    }

    fn lose_power_or_not(&mut self) {
        if self.chance(0.6) {
            self.disk.cut_power();
        } else {
            self.disk.kill_process();
        }
    }

    /// Nothing fails any more: everybody gets what is theirs, and then it is judged.
    async fn last_life(&mut self) {
        self.disk.set_capacity(None);
        for database in &self.databases {
            let mut database = lock(database);
            database.is_away = false;
            database.faults.clear();
        }
        let mut server = self.start(usize::MAX).await.expect("nothing fails any more");
        let mut step = 0;
        loop {
            self.clients.finish(&server).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            server.pump(clock::now_us(), false).expect("the log works");
            self.clients.hear(&server, &mut self.ledger).await;
            server.follow().await;
            server.maintain(&mut self.compactions_failed).expect("the disk works");
            if server.wants_adoption() {
                server = self.adopt(server).await;
            }
            if let Some(folder) = server.damaged.take() {
                server = self.set_aside(server, &folder).await;
            }
            if self.is_done(&server) {
                break;
            }
            step += 1;
            assert!(step < 3_000, "it never ends: {:?}, {:?}", server.accounts.total(), server.spool.refusal());
        }
        let total = server.accounts.total();
        assert!(total.holds() && total.in_flight == 0, "{total:?}");
        let rows: Vec<_> = self.databases.iter().map(|database| lock(database).rows()).collect();
        self.note(format_args!("judged: {total:?}, rows {rows:?}"));
        self.databases[..ROUTED].iter().for_each(|database| self.ledger.judge(database));
        if let [first, mirror, routed] = &self.databases[..]
            && self.plan.damage == Damage::None
        {
            self.ledger.judge_events([&lock(first), &lock(mirror), &lock(routed)]);
            self.ledger.rows.judge(&lock(routed));
            self.ledger.rows.judge_dead_letters(&lock(first), &lock(routed));
        }
        server.stop(&self.disk).await;
    }

    fn is_done(&self, server: &Server) -> bool {
        let has_everything = |(index, database): (usize, &Arc<Mutex<Database>>)| {
            let (log, database) = (server.log(index), lock(database));
            let end = log.next_offset();
            database.offset(log.name()) == Some(end) && log.cursor(database.name) == Some(end)
        };
        self.clients.are_idle()
            && server.is_drained()
            && server.is_routed()
            && server.has_dead_letters()
            && self.databases.iter().enumerate().all(has_everything)
    }
}

fn is_segment(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("segment-"))
}

/// A commit's failure.
pub(crate) fn fault(random: &mut ChaCha8Rng) -> Fault {
    match random.random_range(0..6) {
        0 => Fault::Lost,
        1 => Fault::Unconfirmed,
        2 => Fault::Hangs,
        3 => Fault::LandsLate(Duration::from_millis(random.random_range(100..60_000))),
        4 => Fault::Half,
        _ => Fault::Slow(Duration::from_millis(random.random_range(10..3_000))),
    }
}
