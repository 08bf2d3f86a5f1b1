//! `loadtest baseline`: what this machine can do without the server, so that every result is a ratio.
//!
//! - [`copy`]: bare binary COPY of ready-made rows into a table with the definition of `sensor_data`, one writer
//! - [`mongo`]: bare `insert_many` of ready-made documents into a time-series collection with the mirror's options
//! - [`joint`]: both at once, for the same number of readings
//! - [`mosquitto`]: what a broker without persistence takes from the same client code
//!
//! All work in scratch places of the same servers, which they remove again.

pub mod copy;
pub mod joint;
pub mod mongo;
pub mod mosquitto;
pub mod rows;

use crate::plant::Plant;
use crate::progress::Progress;
use crate::report::{Baselines, write_json};
use crate::say::say;
use crate::targets::Targets;
use anyhow::Context;
use clap::Args;
use copy::CopyBaseline;
use mongo::MongoBaseline;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Readings in one COPY transaction and one `insert_many`.
pub const BATCH_ROWS: usize = 50_000;

#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error("baseline, PostgreSQL: {0}; the role needs CREATE on genims_operations_db")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("baseline, MongoDB: {0}")]
    Mongo(#[from] ::mongodb::error::Error),
    #[error("baseline: {0}")]
    Other(String),
}

#[derive(Args, Clone, Debug)]
pub struct BaselineOptions {
    /// Measured time of each baseline, seconds
    #[arg(long, default_value_t = 10)]
    pub baseline_seconds: u64,
    /// Time before each measurement that does not count, seconds
    #[arg(long, default_value_t = 2)]
    pub warmup_seconds: u64,
    /// A mosquitto without persistence to measure as well
    #[arg(long)]
    pub mosquitto: Option<String>,
}

impl BaselineOptions {
    fn seconds(&self) -> Duration {
        Duration::from_secs(self.baseline_seconds.max(1))
    }

    fn warmup(&self) -> Duration {
        Duration::from_secs(self.warmup_seconds)
    }
}

#[derive(Args, Clone, Debug)]
pub struct BaselineArgs {
    #[command(flatten)]
    pub options: BaselineOptions,
    /// Write the rates as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub targets: Targets,
}

pub async fn baseline(args: BaselineArgs) -> anyhow::Result<bool> {
    args.targets.check()?;
    let baselines = measure(&args.targets, &args.options).await?;
    say!("{}", serde_json::to_string_pretty(&baselines)?);
    if let Some(path) = &args.json {
        write_json(path, &baselines).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(true)
}

/// A rate under measurement: counts begin with the end of the warm-up.
pub struct Meter {
    warm_at: Instant,
    end_at: Instant,
    first: Option<Instant>,
    last: Instant,
    counted: u64,
}

impl Meter {
    pub fn start(warmup: Duration, seconds: Duration) -> Self {
        let warm_at = Instant::now() + warmup;
        Self { warm_at, end_at: warm_at + seconds, first: None, last: warm_at, counted: 0 }
    }

    /// A batch was committed. The first after the warm-up only starts the clock.
    pub fn committed(&mut self, rows: u64) {
        let now = Instant::now();
        if now < self.warm_at {
            return;
        }
        if self.first.is_none() {
            self.first = Some(now);
        } else {
            self.counted += rows;
        }
        self.last = now;
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.end_at
    }

    /// Rows per second; `None` when too little was committed to tell.
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.last.duration_since(self.first?).as_secs_f64();
        (self.counted > 0 && seconds > 0.0).then(|| self.counted as f64 / seconds)
    }
}

/// Everything that the targets allow.
pub async fn measure(targets: &Targets, options: &BaselineOptions) -> Result<Baselines, anyhow::Error> {
    let mut progress = Progress::new("baseline");
    let mut result = Baselines::default();
    // The same ids as in the run, so that keys and documents have the same sizes.
    let plant = match targets.master() {
        Some(_) => targets.plant(0, &[]).await?,
        None => Plant::synthetic(220, 8),
    };
    let plant = Arc::new(plant);
    let mut copy = match targets.operations().await? {
        Some(client) => Some(CopyBaseline::prepare(client, &plant).await?),
        None => None,
    };
    let mut mongo = None;
    let measured = async {
        if let Some(found) = targets.mongo().await? {
            mongo = Some(MongoBaseline::prepare(found, &plant).await?);
        }
        stores(&mut copy, &mut mongo, options, &mut progress, &mut result).await?;
        Ok::<(), anyhow::Error>(())
    }
    .await;
    // The scratch places go in any case.
    let removed = async {
        if let Some(copy) = copy {
            copy.remove().await?;
        }
        if let Some(mongo) = mongo {
            mongo.remove().await?;
        }
        Ok::<(), BaselineError>(())
    }
    .await;
    measured?;
    removed?;
    if let Some(address) = &options.mosquitto {
        for qos in [0, 1] {
            progress.show(&format!("mosquitto, QoS {qos}"));
            let rate = mosquitto::measure(address, qos, options.warmup(), options.seconds()).await?;
            *(if qos == 0 { &mut result.mosquitto_qos0_per_s } else { &mut result.mosquitto_qos1_per_s }) = rate;
        }
    }
    Ok(result)
}

async fn stores(
    copy: &mut Option<CopyBaseline>,
    mongo: &mut Option<MongoBaseline>,
    options: &BaselineOptions,
    progress: &mut Progress,
    result: &mut Baselines,
) -> Result<(), BaselineError> {
    let (warmup, seconds) = (options.warmup(), options.seconds());
    if let Some(copy) = copy {
        progress.show("binary COPY");
        let mut meter = Meter::start(warmup, seconds);
        while !meter.is_over() {
            meter.committed(copy.batch().await?);
        }
        result.copy_per_s = meter.rate();
    }
    if let Some(mongo) = mongo {
        progress.show("MongoDB insert_many");
        let mut meter = Meter::start(warmup, seconds);
        while !meter.is_over() {
            meter.committed(mongo.batch().await?);
        }
        result.mongo_per_s = meter.rate();
    }
    if let (Some(copy), Some(mongo)) = (copy, mongo) {
        progress.show("both at once");
        let joint = joint::measure(copy, mongo, warmup, seconds).await?;
        result.joint_copy_per_s = joint.copy_per_s;
        result.joint_mongo_per_s = joint.mongo_per_s;
        result.joint_per_s = joint.per_s();
    }
    Ok(())
}
