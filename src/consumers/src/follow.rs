//! The loop that every sink runs.
//!
//! In: batches from the log. Out: committed batches, settled accounts, a saved cursor.
//!
//! - A batch stays at hand until the database has confirmed it; meanwhile nothing further is read.
//! - After any failure the connection is given up and the database is asked for its position. What lies below the position
//!   has landed, whatever the failed attempt looked like; the rest is sent again.
//! - The database is asked for its position while nothing arrives, too. One that went back (a restored database) rewinds the
//!   log as far as it still goes, and holds what is there.
//! - A position of another history of the log closes the doors and ends the loop: nothing is skipped.
//! - A stop is obeyed between batches; a batch under way gets [`FollowOptions::stop_grace`].

use crate::gather::{BatchLimits, Gatherer};
use crate::metrics::SinkMetrics;
pub use crate::settlement::Settlement;
use genims_log::contract::Log;
use genims_log::history::Resume;
use genims_model::{Backoff, Cause};
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::target::{Committed, Target};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Bounds of the loop; not for configuration files.
#[derive(Clone, Copy, Debug)]
pub struct FollowOptions {
    pub open_timeout: Duration,
    /// Long enough for a batch in which every row has to be refused one by one.
    pub commit_timeout: Duration,
    pub stop_grace: Duration,
    /// How often the database is asked for its position while nothing arrives.
    pub look_interval: Duration,
    /// Whether records that the database lacks and the log no longer holds end the loop, because they can be had
    /// elsewhere. Otherwise they are counted, and the loop goes on behind them.
    pub gap_ends: bool,
    /// Makes the random part of pauses between attempts the same in each run: for tests.
    pub jitter_seed: Option<u64>,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self {
            open_timeout: Duration::from_secs(40),
            commit_timeout: Duration::from_secs(300),
            // The server gives its sinks three seconds to stop.
            stop_grace: Duration::from_millis(2_500),
            look_interval: Duration::from_secs(2),
            gap_ends: false,
            jitter_seed: None,
        }
    }
}

/// One sink and where it stands.
pub struct Follower<T, L: Log> {
    target: T,
    log: L,
    limits: BatchLimits,
    options: FollowOptions,
    metrics: Arc<SinkMetrics>,
    settlement: Option<Settlement>,
    /// What the database remembers; unknown while there is no connection.
    place: Option<Place>,
    /// The last gap that was counted.
    gap: Option<Gap>,
    /// Everything below is in the accounts.
    settled: u64,
    /// Records below may be in the database, though it does not say so: what was under way when its place was put back.
    attempted: u64,
    last_commit: Duration,
}

/// Where the database stands, and where the log goes on for it: later, when what lies between is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    position: u64,
    resume: u64,
}

/// Records that the database lacks and the log no longer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    from: u64,
    to: u64,
}

enum Step {
    Next,
    Rewind(u64),
}

impl<T: Target, L: Log> Follower<T, L> {
    /// `settlement` is for the sink whose commit ends a record's life (PostgreSQL), `None` for mirrors.
    pub fn new(
        target: T,
        log: L,
        limits: BatchLimits,
        metrics: Arc<SinkMetrics>,
        settlement: Option<Settlement>,
    ) -> Self {
        let before = metrics.settled.load(Ordering::Relaxed);
        let settled = log.cursor(target.name()).unwrap_or(0).max(log.first_offset()).max(before);
        // A loop that takes this one's place may find the cursor rewound.
        metrics.settled.store(settled, Ordering::Relaxed);
        metrics.position.store(settled, Ordering::Relaxed);
        let attempted = settled.max(metrics.attempted.load(Ordering::Relaxed));
        Self {
            target,
            log,
            limits,
            options: FollowOptions::default(),
            metrics,
            settlement,
            place: None,
            gap: None,
            settled,
            attempted,
            last_commit: Duration::ZERO,
        }
    }

    pub fn with_options(mut self, options: FollowOptions) -> Self {
        self.options = options;
        self
    }

    /// Runs until `shutdown` is cancelled, or until the log itself fails.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), SinkError> {
        let mut next_offset = self.settled;
        let mut gatherer = self.gatherer(next_offset)?;
        let mut is_idle = false;
        loop {
            self.check_kept()?;
            // First of all, and whenever nothing arrives: where does the database stand?
            let looked = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                looked = self.look() => self.retry_later(looked)?,
            };
            // Further on where the log holds no more of what was not read, further back where the database went back.
            let from = next_offset.max(self.log.first_offset()).min(looked.unwrap_or(u64::MAX));
            if from != next_offset {
                next_offset = from;
                gatherer = self.gatherer(from)?;
            } else if is_idle && looked.is_some() {
                self.is_well();
            }
            let ended = self.follow(&mut gatherer, &mut next_offset, &shutdown).await?;
            if ended {
                break;
            }
            is_idle = true;
        }
        self.target.close();
        Ok(())
    }

    /// Stores what arrives, until nothing has for a while, or what comes next is gone; true when stopped.
    async fn follow(
        &mut self,
        gatherer: &mut Gatherer<L::Reader>,
        next_offset: &mut u64,
        shutdown: &CancellationToken,
    ) -> Result<bool, SinkError> {
        while *next_offset >= self.log.first_offset() {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(true),
                arrived = gatherer.arrived() => match arrived {
                    Ok(()) => {}
                    Err(cause) => return self.unless_gone(*next_offset, cause),
                },
                () = tokio::time::sleep(self.options.look_interval) => return Ok(false),
            }
            let batch = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(true),
                batch = gatherer.next(self.last_commit) => match batch {
                    Ok(batch) => batch,
                    Err(cause) => return self.unless_gone(*next_offset, cause),
                },
            };
            self.check_kept()?;
            self.metrics.gathered(&batch);
            let behind = batch.next_offset;
            match self.store(batch, shutdown).await? {
                Some(Step::Next) => *next_offset = behind,
                Some(Step::Rewind(position)) => {
                    *gatherer = self.gatherer(position)?;
                    *next_offset = position;
                }
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// A reader fails when what it reads next goes: of a consumer that the log keeps nothing but rows for that is no fault, and
    /// it goes on behind.
    fn unless_gone(&self, next_offset: u64, cause: Cause) -> Result<bool, SinkError> {
        if next_offset < self.log.first_offset() { Ok(false) } else { Err(SinkError::Log(cause)) }
    }

    /// Asks the database for its position, whatever is known: where to go on.
    async fn look(&mut self) -> Result<u64, SinkError> {
        self.place = None;
        let Place { position, resume } = self.open().await?;
        self.count_gap(position, resume);
        Ok(resume)
    }

    /// The database answers, and nothing waits for it.
    fn is_well(&self) {
        if self.metrics.last_error().is_some() {
            tracing::info!(sink = self.target.name(), "the database answers again");
        }
        self.metrics.is_well();
    }

    fn check_kept(&self) -> Result<(), SinkError> {
        let sink = self.target.name();
        if !self.log.is_cut_off(sink) {
            return Ok(());
        }
        let position = self.metrics.position.load(Ordering::Relaxed);
        self.cut_off(position)
    }

    fn cut_off<V>(&self, position: u64) -> Result<V, SinkError> {
        let error = SinkError::CutOff { sink: self.target.name(), position, first: self.log.first_offset() };
        self.metrics.cut_off(error.to_string());
        Err(error)
    }

    fn gatherer(&self, from: u64) -> Result<Gatherer<L::Reader>, SinkError> {
        let reader = self.log.reader(from).map_err(SinkError::Log)?;
        Ok(Gatherer::new(reader, self.limits.clone(), self.target.filter()))
    }

    /// Tries until the batch is in the database; `None` when stopped before that.
    async fn store(&mut self, mut batch: Batch, shutdown: &CancellationToken) -> Result<Option<Step>, SinkError> {
        let mut backoff = Backoff::default();
        if let Some(seed) = self.options.jitter_seed {
            backoff = backoff.with_jitter_seed(seed);
        }
        // Each line about the batch says which, also those of the store: its place in the log is its id, in the ledger as well.
        let (sink, first_offset, next_offset) = (self.target.name(), batch.first_offset, batch.next_offset);
        let span = tracing::warn_span!("batch", sink, first_offset, next_offset);
        loop {
            let grace = self.options.stop_grace;
            let attempt = tokio::select! {
                biased;
                attempt = self.attempt(&mut batch).instrument(span.clone()) => attempt,
                () = async { shutdown.cancelled().await; tokio::time::sleep(grace).await } => return Ok(None),
            };
            if let Some(step) = span.in_scope(|| self.retry_later(attempt))? {
                return Ok(Some(step));
            }
            self.check_kept()?;
            if !backoff.wait(shutdown.cancelled()).await {
                return Ok(None);
            }
        }
    }

    /// Passes on what succeeded and what will never succeed; after anything else the connection is given up.
    fn retry_later<V>(&mut self, attempt: Result<V, SinkError>) -> Result<Option<V>, SinkError> {
        let error = match attempt {
            Ok(value) => return Ok(Some(value)),
            Err(error) if error.is_transient() => error,
            Err(error) => {
                self.target.close();
                return Err(error);
            }
        };
        let text = error_text(&error);
        // An outage is said once, not once an attempt; /stats has the count and the last error all along.
        if self.metrics.last_error().is_none() {
            tracing::warn!(sink = self.target.name(), error = text, "not committed; trying again until it is");
        }
        self.metrics.failed(text);
        self.target.close();
        self.place = None;
        Ok(None)
    }

    async fn attempt(&mut self, batch: &mut Batch) -> Result<Step, SinkError> {
        let Place { position, resume } = self.open().await?;
        if resume < batch.first_offset {
            return Ok(Step::Rewind(resume));
        }
        // What was read before the log removed it is not lacking.
        self.count_gap(position, resume.min(batch.first_offset));
        let mut rest = batch.clone();
        let landed = rest.split_below(position);
        if !landed.is_empty() {
            let report = within(self.options.commit_timeout, self.target.recall(&landed)).await?;
            self.settle(&landed, &report)?;
            *batch = rest;
        }
        if batch.is_empty() {
            self.save_cursor(position)?;
            return Ok(Step::Next);
        }
        check_begin(batch, position);
        self.count_passed(batch, position);
        self.attempted = self.attempted.max(batch.next_offset);
        self.metrics.attempted.fetch_max(self.attempted, Ordering::Relaxed);
        let begun = Instant::now();
        let report = within(self.options.commit_timeout, self.target.commit(batch, position)).await?;
        self.last_commit = begun.elapsed();
        self.place = Some(Place { position: batch.next_offset, resume: batch.next_offset });
        self.metrics.bytes_total.fetch_add(report.bytes, Ordering::Relaxed);
        self.settle(batch, &report)?;
        Ok(Step::Next)
    }

    /// Where the database stands; it is asked once per connection, and by [`Self::look`].
    async fn open(&mut self) -> Result<Place, SinkError> {
        if let Some(place) = self.place {
            return Ok(place);
        }
        let sink = self.target.name();
        // A database that knows nothing of this log lacks everything, also what the log no longer holds.
        let start = self.log.position(0);
        let opening = self.target.open(&start, self.attempted);
        let remembered = within(self.options.open_timeout, opening).await?;
        let position = remembered.next_offset();
        // Whether that is an offset of this log, the log alone knows.
        let resume = match self.log.resume(&remembered) {
            Resume::At(offset) => offset,
            Resume::Behind { .. } if self.options.gap_ends => return self.cut_off(position),
            Resume::Behind { first } => first,
            Resume::NotInHistory { .. } => {
                let error = SinkError::NotInHistory { sink, position, end: self.log.next_offset() };
                self.log.refuse(sink, Some(error.to_string()));
                self.metrics.parted(position, error.to_string());
                return Err(error);
            }
        };
        self.log.refuse(sink, None);
        let cursor = self.log.cursor(sink).unwrap_or(0);
        // Nothing is removed behind a cursor; one that must go back says from where it holds again.
        let resume = if resume < cursor { self.log.rewind(sink, resume).map_err(SinkError::Log)? } else { resume };
        if resume < cursor {
            tracing::warn!(sink, position, cursor, "the database went back; it gets what the log still holds again");
        }
        self.metrics.opened(position);
        let place = Place { position, resume };
        self.place = Some(place);
        Ok(place)
    }

    /// The database lacks what is between, and gets it no more.
    fn count_gap(&mut self, from: u64, to: u64) {
        let gap = Gap { from, to };
        if to <= from || self.gap == Some(gap) {
            return;
        }
        self.gap = Some(gap);
        // Where rows alone are for it, it lacks nothing that it never came to: those the log keeps.
        let had = self.log.cursor(self.target.name()).unwrap_or(0);
        let to = if self.target.takes_events() { gap.to } else { gap.to.min(had) };
        if to <= from {
            return;
        }
        self.metrics.lacks(from, to);
        tracing::error!(
            sink = self.target.name(),
            position = gap.from,
            first_offset = gap.to,
            "the database lacks records that the log no longer holds; it gets everything from the log's first record on"
        );
    }

    /// Records of which the log holds no more than their offsets: the database does not get them. Each is counted once, however
    /// often it is passed. Rows are among them only where it went back, behind what it had.
    fn count_passed(&self, batch: &Batch, position: u64) {
        let below = if self.target.takes_events() { u64::MAX } else { self.settled };
        let skipped = batch.groups.iter().filter(|group| group.skipped > 0);
        let passed: u64 = skipped
            .map(|group| {
                let from = (group.next_offset() - group.skipped).max(position);
                self.metrics.lacks(from, group.next_offset().min(below))
            })
            .sum();
        if passed == 0 {
            return;
        }
        tracing::error!(
            sink = self.target.name(),
            passed,
            below = batch.next_offset,
            "the database lacks records that the log no longer holds"
        );
    }

    /// The batch is in the database: enter it in the accounts (once, however often the log is rewound) and let the
    /// spool know.
    fn settle(&mut self, batch: &Batch, report: &Committed) -> Result<(), SinkError> {
        let refused = report.refused.len() as u64 + report.refused_uncounted;
        self.metrics.refused_total.fetch_add(refused, Ordering::Relaxed);
        self.metrics.expired_total.fetch_add(report.expired, Ordering::Relaxed);
        if let Some(settlement) = &self.settlement {
            settlement.settle(batch, report, self.settled);
        }
        self.settled = self.settled.max(batch.next_offset);
        self.attempted = self.attempted.max(self.settled);
        self.metrics.settled.store(self.settled, Ordering::Relaxed);
        if self.metrics.last_error().is_some() {
            tracing::info!(sink = self.target.name(), position = batch.next_offset, "commits again");
        }
        self.metrics.committed(batch);
        self.save_cursor(batch.next_offset)
    }

    fn save_cursor(&self, next_offset: u64) -> Result<(), SinkError> {
        self.log.save_cursor(self.target.name(), next_offset).map_err(SinkError::Log)
    }
}

/// What the database has would be stored for the second time.
pub(crate) fn check_begin(batch: &Batch, position: u64) {
    let begins_before = batch.first_offset < position;
    let holds_records = batch.groups.first().is_some_and(|group| group.len() > group.skipped);
    assert!(
        !(begins_before && holds_records),
        "the database has everything below {position}, and the batch begins at {}",
        batch.first_offset
    );
}

/// An error and its causes in one line.
pub(crate) fn error_text(error: &SinkError) -> String {
    match error {
        SinkError::Log(cause) | SinkError::Connect(cause) => format!("{error}: {cause}"),
        _ => error.to_string(),
    }
}

async fn within<V>(bound: Duration, work: impl Future<Output = Result<V, SinkError>>) -> Result<V, SinkError> {
    tokio::time::timeout(bound, work).await.map_err(|_| SinkError::TimedOut(bound))?
}
