//! From the door to the log: catalogue, spool, shards and the spool's writer.

use super::ServerError;
use crate::settings::Settings;
use genims_catalogue::keeper::{Keeper, LogIdentity};
use genims_catalogue::used::Used;
use genims_log::file;
use genims_log::file::{Appender, RowDeadLetters, Spool, SpoolError, SpoolOptions};
use genims_model::event::FaultOpened;
use genims_model::{Accounts, ByteBudget};
use genims_pipeline::intake::{Intake, Registrar};
use genims_pipeline::queue::ShardQueue;
use genims_pipeline::recovery::Recovery;
use genims_pipeline::shard::Shard;
use genims_pipeline::{UnknownSensors, worker};
use genims_rows::Gate;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes that may wait in front of all shards, and between them and the log's writer. With the log full both are, and the
/// server stays below half of the 512 MiB that it may take.
const QUEUED_BYTES_MAX: usize = 64 << 20;
const UNWRITTEN_BYTES_MAX: usize = 64 << 20;

/// How long a full log may take to find room once the server is asked to stop.
const FULL_STOP_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Stream {
    pub(super) keeper: Arc<Keeper>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) spool: Spool,
    pub(super) queues: Vec<Arc<ShardQueue>>,
    pub(super) intake: Arc<Intake>,
    /// Dead letters of refused rows, on their way into the log.
    pub(super) row_dead_letters: Arc<RowDeadLetters>,
    /// TCP clients' durable sequences, as an earlier run left them.
    pub(super) marks: HashMap<String, u64>,
    /// Records below were left by an earlier run.
    pub(super) recovered_until: u64,
    /// The accounts of this run begin here: records below were finished by an earlier one.
    pub(super) counted_from: u64,
    appender: Option<Appender>,
    open_faults: Vec<FaultOpened>,
    settings: Settings,
    shards: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<Result<(), SpoolError>>>,
}

impl Stream {
    /// Opens journal and log; nothing runs yet.
    pub(super) fn open(
        settings: &Settings,
        listeners: impl Iterator<Item = String>,
        gate: Option<Arc<Gate>>,
    ) -> Result<Self, ServerError> {
        let directory = settings.data_dir.join("spool");
        let options = SpoolOptions { directory: directory.clone(), ..settings.spool.clone() };
        let (appender, spool, recovered) = file::open(&options)?;
        let log = LogIdentity { id: spool.id(), directory: &directory, blank: recovered.next_offset == 0 };
        let keeper = Arc::new(Keeper::open(&settings.data_dir, log)?);
        if keeper.directory().load().sensors().is_empty() {
            // Master data is awaited before the shards read the log: numbers in use must not be given by then.
            let mut used = Used::default();
            recovered.open_faults.iter().for_each(|fault| used.see_fault(fault));
            spool.replay(spool.first_offset(), |group| used.see(group))?;
            keeper.covers(used)?;
        }
        let accounts = Arc::new(Accounts::new(listeners));
        let options = &settings.pipeline;
        let count = options.shard_count();
        let queue = || ShardQueue::new(options.queue_records, QUEUED_BYTES_MAX / count);
        let queues: Vec<Arc<ShardQueue>> = (0..count).map(|_| Arc::new(queue())).collect();
        let registers = options.unknown_sensors == UnknownSensors::Register;
        let registrar = Some(Registrar { keeper: keeper.clone(), registers });
        let intake = Intake::new(
            keeper.directory().clone(),
            queues.clone(),
            accounts.clone(),
            registrar,
            options.when_full,
            spool.full_flag(),
        );
        let intake = Arc::new(intake.with_rows(gate));
        let forwarded = recovered.marks.get(RowDeadLetters::MARK).copied().unwrap_or(0);
        let row_dead_letters = Arc::new(RowDeadLetters::open(&settings.data_dir, forwarded)?);
        Ok(Self {
            keeper,
            accounts,
            recovered_until: recovered.next_offset,
            counted_from: spool.first_offset(),
            marks: recovered.marks,
            open_faults: recovered.open_faults,
            spool,
            queues,
            intake,
            row_dead_letters,
            appender: Some(appender),
            settings: settings.clone(),
            shards: Vec::new(),
            writer: None,
        })
    }

    /// Rebuilds the shards' memory from the log, then starts shards and writer. Sinks are registered before.
    pub(super) fn run(&mut self) -> Result<(), ServerError> {
        let mut rules = self.settings.pipeline.rules();
        rules.routed = self.settings.routes.is_some();
        let count = self.queues.len();
        let mut shards: Vec<Shard> = (0..count)
            .map(|index| Shard::new(index, count, self.keeper.directory().clone(), self.accounts.clone(), rules))
            .collect();
        let settled = self.spool.settled().unwrap_or(self.spool.first_offset());
        self.counted_from = settled;
        let mut recovery = Recovery::new(settled, &self.open_faults);
        self.spool.replay(self.spool.first_offset(), |group| recovery.see(group, &mut shards))?;
        // Before anything is written or acknowledged: an older journal would give these numbers to other sensors.
        self.keeper.covers(recovery.used())?;
        shards.iter_mut().for_each(|shard| shard.resume_faults(&self.open_faults));
        self.accounts.received(self.accounts.recovered(), recovery.pending());

        let (portions, waiting) = file::writer::channel();
        let budget = ByteBudget::new(UNWRITTEN_BYTES_MAX);
        if let Some(appender) = self.appender.take() {
            self.writer = Some(file::writer::start(appender, waiting).map_err(ServerError::Thread)?);
        }
        for (index, shard) in shards.into_iter().enumerate() {
            let queue = self.queues[index].clone();
            let shard = worker::spawn(shard, queue, portions.clone(), budget.clone(), index);
            self.shards.push(shard.map_err(ServerError::Thread)?);
        }
        Ok(())
    }

    /// After the doors are closed: what the queues hold goes to the log.
    pub(super) async fn end(&mut self) {
        self.queues.iter().for_each(|queue| queue.close());
        let (shards, writer) = (std::mem::take(&mut self.shards), self.writer.take());
        let joined = tokio::task::spawn_blocking(move || {
            let shards_fine = shards.into_iter().all(|shard| shard.join().is_ok());
            let writer_fine = writer.is_none_or(|writer| matches!(writer.join(), Ok(Ok(()))));
            shards_fine && writer_fine
        });
        // With a full log there is nothing to wait for: nobody has an acknowledgement for what the queues hold.
        let full = self.spool.full_flag().load(Ordering::Acquire);
        let wait = if full { FULL_STOP_WAIT } else { super::PIPELINE_STOP };
        if !matches!(tokio::time::timeout(wait, joined).await, Ok(Ok(true))) {
            tracing::error!("the pipeline did not end in order; what was not synced was not acknowledged");
        }
    }

    /// The last act: cursors are written.
    pub(super) fn close(&self) {
        if let Err(error) = self.spool.close() {
            tracing::error!(%error, "the spool did not close in order");
        }
    }
}
