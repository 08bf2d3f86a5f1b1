//! The spool's pure cost (record encode and decode) and its append, with and without the sync, by group size.
//!
//! Figures are readings per second. Without the sync the append shows what encoding, checksum, page cache and the
//! memory tail cost; with it, what the disk makes of small groups.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use genims_log::file::{SpoolOptions, open, record};
use genims_model::{Portion, Protocol, Quality, Reading, SensorNo, Status};
use std::hint::black_box;

const GROUP_READINGS: [u64; 4] = [1, 100, 1_000, 10_000];

fn portion(readings: u64) -> Portion {
    let reading = |index: u64| Reading {
        sensor: SensorNo(index as u32),
        protocol: Protocol::Mqtt,
        status: Status::Normal,
        quality: Quality::Good,
        flags: 0,
        source: 0,
        timestamp_us: 1_760_000_000_000_000 + index as i64,
        received_us: 1_760_000_000_000_500,
        value: 20.0 + index as f64 * 0.01,
        min_1min: 19.0,
        max_1min: 23.0,
        avg_1min: 21.0,
        std_1min: 0.5,
        anomaly_score: 0.1,
    };
    Portion { readings: (0..readings).map(reading).collect(), ..Portion::default() }
}

/// A second portion with the same readings; portions are not `Clone`, because receipts must not be doubled by accident.
fn copy(portion: &Portion) -> Portion {
    Portion { readings: portion.readings.clone(), ..Portion::default() }
}

fn record_codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spool_record");
    for readings in GROUP_READINGS {
        group.throughput(Throughput::Elements(readings));
        let portion = portion(readings);
        let mut bytes = Vec::new();
        group.bench_function(BenchmarkId::new("encode", readings), |bencher| {
            bencher.iter(|| record::encode(black_box(&portion), 7, 0, usize::MAX, &mut bytes));
        });
        group.bench_function(BenchmarkId::new("decode", readings), |bencher| {
            bencher.iter(|| record::decode(black_box(&bytes)));
        });
    }
    group.finish();
}

fn append(criterion: &mut Criterion) {
    for (name, fsync) in [("spool_append_unsynced", false), ("spool_append_fsync", true)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = SpoolOptions {
            directory: directory.path().to_owned(),
            max_bytes: 2 << 30,
            retain_bytes: 0,
            fsync,
            ..SpoolOptions::default()
        };
        let (mut appender, _spool, _) = open(&options).expect("a fresh spool");
        let mut group = criterion.benchmark_group(name);
        for readings in GROUP_READINGS {
            group.throughput(Throughput::Elements(readings));
            let sample = portion(readings);
            group.bench_function(BenchmarkId::from_parameter(readings), |bencher| {
                bencher.iter_batched(
                    || copy(&sample),
                    |mut portion| appender.append(&mut portion).expect("the disk takes it"),
                    BatchSize::LargeInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, record_codec, append);
criterion_main!(benches);
