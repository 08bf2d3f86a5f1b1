//! The listeners' door. Each connection owns one [`IntakeBuffer`]: it decodes messages into it, resolves names against
//! the catalogue, and submits everything that one read of its socket brought as at most one chunk per shard, under one
//! receipt.

use crate::dead_letters::{DeadLetters, snapshot_element};
use crate::queue::ShardQueue;
use crate::receipt_time::ReceiptTime;
use crate::remarks::{RemarkKind, Remarks, TopicOrigin};
use crate::stage::Stage;
use genims_catalogue::keeper::Keeper;
use genims_catalogue::{Catalogue, Directory};
use genims_decode::{Address, Form, Name, Point, Remark, Visitor};
use genims_model::snapshot::SnapshotFields;
use genims_model::{
    Accounts, Backoff, Chunk, Event, MachineNo, Mark, Protocol, RawReading, Reason, Receipt, RecordOutcome, SensorNo,
    Snapshot, SourceNo,
};
use genims_rows::Gate;
use std::collections::HashMap;
use std::fmt::Arguments;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

use rejecting::Nobodys;
pub use scope::{Machines, Scope, Tables};

mod numbers;
mod rejecting;
mod remarking;
mod rows;
mod scope;

/// What happens at the door while the spool is at its cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// Senders wait: nothing is acknowledged, nothing is lost.
    #[default]
    Block,
    /// New records are given up and counted; their messages are not acknowledged as stored.
    DropNewest,
}

/// Who has numbers for names that the published catalogue does not have.
#[derive(Clone, Debug)]
pub struct Registrar {
    pub keeper: Arc<Keeper>,
    /// Also names that master data does not have get one.
    pub registers: bool,
}

/// What all connections share.
#[derive(Debug)]
pub struct Intake {
    directory: Arc<Directory>,
    shards: Vec<Arc<ShardQueue>>,
    accounts: Arc<Accounts>,
    registrar: Option<Registrar>,
    when_full: WhenFull,
    spool_full: Arc<AtomicBool>,
    remarks: Remarks,
    /// None: rows for tables are not taken.
    rows: Option<Arc<Gate>>,
}

impl Intake {
    pub fn new(
        directory: Arc<Directory>,
        shards: Vec<Arc<ShardQueue>>,
        accounts: Arc<Accounts>,
        registrar: Option<Registrar>,
        when_full: WhenFull,
        spool_full: Arc<AtomicBool>,
    ) -> Self {
        Self { directory, shards, accounts, registrar, when_full, spool_full, remarks: Remarks::default(), rows: None }
    }

    pub fn remarks(&self) -> &Remarks {
        &self.remarks
    }

    /// A connection's own buffer. `on_commit`: acknowledge after the PostgreSQL commit instead of the fsync.
    pub fn buffer(self: &Arc<Self>, source: SourceNo, protocol: Protocol, on_commit: bool) -> IntakeBuffer {
        IntakeBuffer {
            catalogue: self.directory.load(),
            staged: (0..self.shards.len()).map(|_| Stage::default()).collect(),
            unsent: Vec::new(),
            unknown_names: Vec::new(),
            client: "".into(),
            scope: Scope::default(),
            topic: String::new(),
            message: 0,
            place: TopicOrigin::default(),
            dead_letters: DeadLetters::default(),
            nobodys: Nobodys::default(),
            received_us: 0,
            receipt_time: ReceiptTime::default(),
            records: 0,
            admits_rows: false,
            unpublished: HashMap::new(),
            unsynced: false,
            intake: self.clone(),
            source,
            protocol,
            on_commit,
        }
    }

    /// Which shard owns everything that is at home at a machine.
    fn shard_of(&self, machine: MachineNo) -> usize {
        shard_of(machine, self.shards.len())
    }
}

/// Machines are numbered densely, so the remainder spreads them evenly.
pub(crate) fn shard_of(machine: MachineNo, shards: usize) -> usize {
    machine.0 as usize % shards.max(1)
}

/// When a round asks again whether its numbers are durable: its sender waits for that.
const REGISTER_RETRY_MIN: Duration = Duration::from_millis(50);
const REGISTER_RETRY_MAX: Duration = Duration::from_secs(1);

/// Of a longer key, word or pair of machines only the beginning is told.
const SHOWN_MAX: usize = 120;

/// Set in a handle that stands for a name nobody knows.
const UNKNOWN_HANDLE: u32 = 1 << 31;

/// One connection's staging area. Use: `begin`, any number of messages, `submit`; then again.
#[derive(Debug)]
pub struct IntakeBuffer {
    intake: Arc<Intake>,
    source: SourceNo,
    protocol: Protocol,
    on_commit: bool,
    catalogue: Arc<Catalogue>,
    staged: Vec<Stage>,
    unsent: Vec<(usize, Chunk)>,
    unknown_names: Vec<String>,
    client: Arc<str>,
    scope: Scope,
    topic: String,
    /// Counts the messages; 0 where the transport knows none.
    message: u64,
    place: TopicOrigin,
    /// Of the message under way, or of the round where the transport knows no messages.
    dead_letters: DeadLetters,
    nobodys: Nobodys,
    received_us: i64,
    receipt_time: ReceiptTime,
    records: u64,
    admits_rows: bool,
    /// Numbers given to this connection that its catalogue does not have yet, with the sensors' homes.
    unpublished: HashMap<SensorNo, MachineNo>,
    /// This round uses such a number: it may not be durable.
    unsynced: bool,
}

impl IntakeBuffer {
    /// Starts a round: everything staged until `submit` was received at `received_us`. True when the catalogue has
    /// changed since the last round: handles from [`Visitor::define`] that outlive a round must be asked for again.
    pub fn begin(&mut self, received_us: i64) -> bool {
        self.received_us = received_us;
        self.receipt_time.begin(received_us);
        self.dead_letters.begin();
        let changed = !Arc::ptr_eq(&self.catalogue, &self.intake.directory.peek());
        if changed {
            self.catalogue = self.intake.directory.load();
            let catalogue = &self.catalogue;
            self.unpublished.retain(|no, _| catalogue.sensor(*no).is_none());
        }
        changed
    }

    /// Forgets the handles given out so far, for transports whose name tables end with the message.
    pub fn forget_handles(&mut self) {
        self.unknown_names.clear();
    }

    /// Who sends: the client's id, or its address where the protocol knows no ids.
    pub fn set_client(&mut self, client: &str) {
        if *self.client != *client {
            self.client = client.into();
        }
    }

    /// Of a sender that brings again what was received at `first_us`: what says no time itself has that.
    pub fn set_first_received(&mut self, first_us: Option<i64>) {
        self.receipt_time.set_first(first_us);
    }

    /// Begins a message: the topic that it was published under; empty for transports without topics.
    pub fn set_topic(&mut self, topic: &str) {
        self.dead_letters.begin();
        let dead_letters = self.staged[0].dead_letters.len();
        self.nobodys = Nobodys { dead_letters, records: self.records, ..Nobodys::default() };
        self.message += 1;
        self.topic.clear();
        self.topic.push_str(topic);
        self.place.clear();
    }

    /// Records staged in this round.
    pub fn staged_records(&self) -> u64 {
        self.records
    }

    /// Of these, those that are set aside.
    pub fn staged_dead_letters(&self) -> u64 {
        self.staged[0].dead_letters.iter().map(|dead_letter| dead_letter.records).sum()
    }

    /// A TCP client's progress, to become durable with this round's records.
    pub fn mark(&mut self, mark: Mark) {
        self.staged[0].marks.push(mark);
    }

    /// An event found at the door, such as a fired will.
    pub fn event(&mut self, event: Event) {
        self.staged[0].events.push(event);
    }

    /// Hands the round to the shards; waits for room while they push back, and for the numbers that it uses while the journal has
    /// none: what is valid is neither given up nor a dead letter because of it. The receipt settles when everything staged is
    /// durable. Cancel-safe: a later call goes on where a dropped one stopped, under the same receipt.
    pub async fn submit(&mut self, waiter: &Arc<Notify>, receipt: &mut Option<Receipt>) -> Receipt {
        let mut backoff = None;
        while receipt.is_none() && self.intake.when_full == WhenFull::Block && !self.register() {
            // The time as the seed: a simulated run is the same again.
            let begin =
                || Backoff::new(REGISTER_RETRY_MIN, REGISTER_RETRY_MAX).with_jitter_seed(self.received_us as u64);
            let backoff = backoff.get_or_insert_with(begin);
            sleep(backoff.next_delay()).await;
        }
        let receipt = receipt.get_or_insert_with(|| self.seal(waiter)).clone();
        while let Some((shard, chunk)) = self.unsent.pop() {
            let Err(chunk) = self.intake.shards[shard].push(chunk) else { continue };
            let queue = self.intake.shards[shard].clone();
            let room = queue.room();
            let Err(chunk) = queue.push(*chunk) else { continue };
            self.unsent.push((shard, *chunk));
            room.wait().await;
        }
        receipt
    }

    /// Turns what is staged into chunks under one receipt and enters them in the account.
    fn seal(&mut self, waiter: &Arc<Notify>) -> Receipt {
        let registered = self.sync_registrations();
        self.intake.accounts.received(self.source, self.records);
        let parts = self.staged.iter().filter(|stage| !stage.is_empty()).count();
        let receipt = Receipt::new(parts as u32, self.on_commit, waiter.clone());
        let full = self.intake.when_full == WhenFull::DropNewest && self.intake.spool_full.load(Ordering::Relaxed);
        let dropped = full || !registered;
        for (shard, stage) in self.staged.iter_mut().enumerate() {
            if stage.is_empty() {
                continue;
            }
            let stage = std::mem::take(stage);
            if dropped {
                receipt.refuse_part();
                continue;
            }
            let Stage { topics, readings, snapshots, events, dead_letters, rows, marks, .. } = stage;
            let chunk = Chunk {
                protocol: self.protocol,
                source: self.source,
                client: self.client.clone(),
                received_us: self.received_us,
                topics,
                readings,
                snapshots,
                events,
                dead_letters,
                rows,
                marks,
                receipt: receipt.clone(),
            };
            self.unsent.push((shard, chunk));
        }
        if dropped {
            self.intake.accounts.finished(self.source, RecordOutcome::Dropped, self.records);
        }
        self.records = 0;
        receipt
    }

    fn stage(&mut self, sensor: SensorNo, point: &Point<'_>) {
        let home = match self.catalogue.sensor(sensor) {
            Some(entry) => {
                if !self.may_speak_for(Some(&entry.sensor.machine_id)) {
                    let known = entry.sensor.clone();
                    let detail = format!("the client may not send readings of machine {}", known.machine_id);
                    let machine = Some(&*known.machine_id);
                    return self.reject_point((Reason::NotAllowed, &detail), machine, &known.sensor_id, point);
                }
                if let Name::Sensor { machine, sensor } = point.name {
                    let known = &entry.sensor;
                    self.check_place(sensor, (&known.factory_id, &known.line_id, &known.machine_id), machine);
                }
                entry.home
            }
            None => {
                let Some(home) = self.unpublished.get(&sensor) else { return };
                self.unsynced = true;
                *home
            }
        };
        let stage = &mut self.staged[self.intake.shard_of(home)];
        stage.enter(self.message, &self.topic);
        stage.readings.push(RawReading {
            sensor,
            quality: point.quality,
            untimed: point.timestamp_us.is_none(),
            timestamp_us: point.timestamp_us.unwrap_or_else(|| self.receipt_time.shared()),
            value: point.value,
        });
        self.records += 1;
    }
}

impl Visitor for IntakeBuffer {
    fn point(&mut self, point: Point<'_>) {
        match point.name {
            Name::Handle(handle) if handle & UNKNOWN_HANDLE == 0 => self.stage(SensorNo(handle), &point),
            Name::Handle(handle) => {
                let index = (handle & !UNKNOWN_HANDLE) as usize;
                let name = self.unknown_names.get(index).cloned().unwrap_or_default();
                let detail = self.unknown(None, &name);
                self.reject_point((Reason::UnknownSensor, &detail), None, &name, &point);
            }
            Name::Sensor { machine, sensor } => match self.resolve(machine, sensor) {
                Ok(no) => self.stage(no, &point),
                Err(detail) => self.reject_point((Reason::UnknownSensor, &detail), machine, sensor, &point),
            },
        }
    }

    fn snapshot(&mut self, machine: &str, timestamp_us: Option<i64>, fields: SnapshotFields) {
        let timestamp_us = timestamp_us.unwrap_or_else(|| self.receipt_time.next());
        let known = self.catalogue.machine_by_id(machine).and_then(|no| self.catalogue.machine(no));
        let entered = || self.intake.registrar.as_ref()?.keeper.entered_machine(machine);
        let Some((no, home)) = known.map(|entry| (entry.no, entry.home)).or_else(entered) else {
            let payload = snapshot_element(&fields, machine, timestamp_us);
            let (reason, remedy) = (Reason::UnknownMachine, Reason::UnknownMachine.remedy());
            let detail = format_args!("machine {machine} is not in the catalogue; {remedy}");
            self.reject_part(Form::Elements, reason, detail, &payload);
            return;
        };
        if !self.may_speak_for(Some(machine)) {
            let payload = snapshot_element(&fields, machine, timestamp_us);
            let detail = format_args!("the client may not send states of machine {machine}");
            self.reject_part(Form::Elements, Reason::NotAllowed, detail, &payload);
            return;
        }
        match known.map(|entry| &entry.machine) {
            Some(known) => self.check_place(machine, (&known.factory_id, &known.line_id, &known.machine_id), None),
            None => self.unsynced = true,
        }
        self.check_state(machine, &fields.machine_state);
        let stage = &mut self.staged[self.intake.shard_of(home)];
        stage.enter(self.message, &self.topic);
        stage.snapshots.push(Snapshot {
            machine: no,
            source: self.source,
            received_us: self.received_us,
            timestamp_us,
            fields,
        });
        self.records += 1;
    }

    fn reject(&mut self, reason: Reason, detail: Arguments<'_>, fragment: &[u8]) {
        self.set_aside(None, reason, detail, (fragment, fragment.len() as u64));
    }

    fn reject_part(&mut self, form: Form, reason: Reason, detail: Arguments<'_>, fragment: &[u8]) {
        self.set_aside(Some(form), reason, detail, (fragment, fragment.len() as u64));
    }

    fn remark(&mut self, remark: Remark, what: &str) {
        let shown = || what.chars().take(SHOWN_MAX).collect::<String>();
        match remark {
            Remark::UnknownColumn => {
                let told = || format!("{} is no column of scada_machine_data", shown());
                self.intake.remarks.enter(RemarkKind::Column, &self.topic, told);
            }
            Remark::UnknownQuality => {
                let told = || format!("{} is no quality", shown());
                self.intake.remarks.enter(RemarkKind::Quality, &self.topic, told);
            }
            Remark::OtherMachine => self.intake.remarks.enter(RemarkKind::Place, &self.topic, shown),
            Remark::UnknownTime => {
                let told = || format!("{} is not read as a time", shown());
                self.intake.remarks.enter(RemarkKind::Time, &self.topic, told);
            }
            Remark::NotTaken => {
                let told = || format!("{} may hold readings and was not taken", shown());
                self.intake.remarks.enter(RemarkKind::Part, &self.topic, told);
            }
        }
    }

    fn knows(&self, machine: Option<&str>, sensor: &str) -> bool {
        let known = self.known(machine, sensor).and_then(|no| self.catalogue.sensor(no));
        // What this very message has registered is known once it is published.
        let registers = self.intake.registrar.as_ref().is_some_and(|registrar| registrar.registers);
        known.is_some_and(|entry| entry.sensor.active) || (!registers && self.entered(machine, sensor).is_some())
    }

    fn rows(&mut self, database: &str, table: &str, payload: &[u8]) {
        self.judge(database, table, payload);
    }

    fn knows_machine(&self, machine: &str) -> bool {
        self.catalogue.machine_by_id(machine).is_some()
    }

    fn place(&mut self, address: &Address<'_>) {
        self.place.follow(address);
    }

    fn define(&mut self, sensor: &str) -> u32 {
        match self.resolve(None, sensor) {
            Ok(no) => no.0,
            Err(_) => {
                self.unknown_names.push(sensor.to_owned());
                UNKNOWN_HANDLE | (self.unknown_names.len() - 1) as u32
            }
        }
    }
}
