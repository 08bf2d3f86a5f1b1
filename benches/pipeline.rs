//! The pipeline's own cost, no servers: one window step, one anomaly step, a shard's whole analysis, and the queue in
//! front of a shard with several threads pushing.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use genims_analysis::anomaly::Usual;
use genims_analysis::window::{Bounds, Window};
use genims_catalogue::{Catalogue, Directory, Limits, Sensor};
use genims_model::{Accounts, Chunk, Portion, Protocol, Quality, RawReading, Receipt, SensorNo};
use genims_pipeline::PipelineOptions;
use genims_pipeline::queue::ShardQueue;
use genims_pipeline::shard::Shard;
use std::hint::black_box;
use std::sync::Arc;

const SENSORS: u32 = 1_760;
const CHUNK_READINGS: u32 = 1_000;
const START_US: i64 = 1_800_000_000_000_000;

fn directory() -> Arc<Directory> {
    let mut catalogue = Catalogue::default();
    for no in 0..SENSORS {
        catalogue.put_sensor(Sensor {
            sensor_id: format!("SEN-{no:06}"),
            machine_id: format!("MCH-{:04}", no / 8),
            line_id: "LINE-01".to_owned(),
            factory_id: "FAC-01".to_owned(),
            unit: "C".to_owned(),
            sensor_code: Some(format!("TEMP-{}", no % 8)),
            sensor_type: Some("temperature".to_owned()),
            limits: Limits {
                range_min: Some(0.0),
                range_max: Some(200.0),
                warning_min: Some(10.0),
                warning_max: Some(80.0),
                critical_min: Some(5.0),
                critical_max: Some(100.0),
            },
            sampling_frequency_hz: Some(10.0),
            calibration_day: None,
            calibration_frequency_days: None,
            active: true,
        });
    }
    Arc::new(Directory::new(catalogue))
}

/// Chunk `index` of a stream in which every sensor speaks at 60 Hz, so that windows are as full as at peak load.
fn chunk(index: i64) -> Chunk {
    let first = index * i64::from(CHUNK_READINGS);
    let readings = (first..first + i64::from(CHUNK_READINGS))
        .map(|n| RawReading {
            sensor: SensorNo((n % i64::from(SENSORS)) as u32),
            untimed: false,
            quality: Quality::Good,
            timestamp_us: START_US + n / i64::from(SENSORS) * 16_667,
            value: 50.0 + ((n * 7_919) % 1_000) as f64 / 100.0,
        })
        .collect();
    Chunk {
        protocol: Protocol::Mqtt,
        source: 0,
        client: "".into(),
        received_us: START_US + first * 10,
        topics: genims_model::Topics::default(),
        readings,
        snapshots: Vec::new(),
        events: Vec::new(),
        dead_letters: Vec::new(),
        rows: Vec::new(),
        marks: Vec::new(),
        receipt: Receipt::unwatched(),
    }
}

fn analyse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("analyse");
    group.throughput(Throughput::Elements(u64::from(CHUNK_READINGS)));
    group.bench_function("shard", |bencher| {
        let accounts = Arc::new(Accounts::new(["bench".to_owned()]));
        let mut shard = Shard::new(0, 1, directory(), accounts, PipelineOptions::default().rules());
        let mut index = 0;
        // Full windows before the first measured chunk: 3,600 readings for each sensor.
        while index < 6_400 {
            shard.take(chunk(index), &mut Portion::default());
            index += 1;
        }
        bencher.iter_batched(
            || {
                index += 1;
                chunk(index - 1)
            },
            |chunk| {
                let mut portion = Portion::default();
                shard.take(chunk, &mut portion);
                portion
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();

    let mut group = criterion.benchmark_group("step");
    group.throughput(Throughput::Elements(1));
    group.bench_function("window_60s_of_6000", |bencher| {
        let (mut window, mut at_us) = (Window::default(), 0);
        let bounds = Bounds { keep_min: 16, held_max: 1 << 20 };
        bencher.iter(|| {
            at_us += 10_000;
            black_box(window.insert(at_us, ((at_us * 7_919) % 1_000_003) as f64, bounds))
        });
    });
    group.bench_function("anomaly", |bencher| {
        let (mut usual, mut n) = (Usual::new(Some(100.0)), 0_u32);
        bencher.iter(|| {
            n = n.wrapping_add(1);
            black_box(usual.score(f64::from(n % 97)))
        });
    });
    group.finish();
}

fn queue(criterion: &mut Criterion) {
    const CHUNKS: u64 = 4_000;
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(CHUNKS));
    for pushers in [1, 4] {
        group.bench_function(format!("{pushers}_pushers"), |bencher| {
            bencher.iter_batched(
                || {
                    (0..pushers)
                        .map(|_| (0..CHUNKS / pushers).map(|_| small_chunk()).collect())
                        .collect::<Vec<Vec<_>>>()
                },
                |loads| {
                    let queue = ShardQueue::new(1 << 20, usize::MAX);
                    std::thread::scope(|scope| {
                        for load in loads {
                            scope.spawn(|| load.into_iter().for_each(|chunk| push_until_taken(&queue, chunk)));
                        }
                        let mut taken = 0;
                        while taken < CHUNKS {
                            taken += u64::from(queue.pop_wait(std::time::Duration::from_millis(1)).is_some());
                        }
                    });
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn push_until_taken(queue: &ShardQueue, chunk: Chunk) {
    let mut next = Some(chunk);
    while let Some(chunk) = next.take() {
        if let Err(back) = queue.push(chunk) {
            next = Some(*back);
            std::thread::yield_now();
        }
    }
}

fn small_chunk() -> Chunk {
    let mut chunk = chunk(0);
    chunk.readings.truncate(8);
    chunk
}

criterion_group!(benches, analyse, queue);
criterion_main!(benches);
