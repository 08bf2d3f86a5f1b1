//! Encoding readings for the databases: rows of binary COPY, documents of BSON. No servers.
//!
//! Each of ours stands beside what the usual library does with the same reading.

use bson::{DateTime, doc, oid::ObjectId};
use bytes::{BufMut, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use genims_catalogue::{Catalogue, Limits, Sensor};
use genims_model::reading::flag;
use genims_model::{Group, Protocol, Quality, Reading, SensorNo, Status};
use genims_stores::batch::Batch;
use genims_stores::mongo::readings::{ReadingEncoder, object_id};
use genims_stores::order;
use genims_stores::postgres::copy::EncodeRows;
use genims_stores::postgres::days_kept::DaysKept;
use genims_stores::postgres::field::{NUMERIC_BYTES_MAX, numeric};
use genims_stores::postgres::sensor_rows::{SensorRows, sort};
use std::hint::black_box;
use std::sync::Arc;
use tokio_postgres::types::{IsNull, ToSql, Type};
use uuid::Uuid;

const ROWS: u32 = 50_000;
const SENSORS: u32 = 1_760;

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    for no in 0..SENSORS {
        catalogue.put_sensor(Sensor {
            sensor_id: format!("SEN-FAC01-{no:06}"),
            machine_id: format!("MAC-FAC01-{:04}", no / 8),
            line_id: "LINE-FAC01-01".to_owned(),
            factory_id: "FAC-01".to_owned(),
            unit: "mm/s".to_owned(),
            sensor_code: None,
            sensor_type: Some("vibration".to_owned()),
            limits: Limits::default(),
            sampling_frequency_hz: None,
            calibration_day: None,
            calibration_frequency_days: None,
            active: true,
        });
    }
    catalogue
}

/// Sensors in turn, as plants send them; values with four digits behind the point.
fn batch() -> Batch {
    let start_us = 1_795_000_000_000_000;
    let readings = (0..ROWS).map(|i| {
        let value = f64::from(i * 7_919 % 1_000_000) / 10_000.0;
        Reading {
            sensor: SensorNo(i % SENSORS),
            protocol: Protocol::Mqtt,
            status: Status::Normal,
            quality: Quality::Good,
            flags: flag::ANOMALY * u8::from(i % 97 == 0),
            source: 0,
            timestamp_us: start_us + i64::from(i) * 10,
            received_us: start_us + i64::from(i) * 10 + 900,
            value,
            min_1min: value - 0.75,
            max_1min: value + 1.25,
            avg_1min: value + 0.123_456,
            std_1min: 0.333_333,
            anomaly_score: 0.062_5,
        }
    });
    let mut batch = Batch::default();
    batch.push(Arc::new(Group { readings: readings.collect(), ..Group::default() }));
    batch
}

fn copy_rows(criterion: &mut Criterion) {
    let (catalogue, batch) = (catalogue(), batch());
    let mut group = criterion.benchmark_group("copy");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    group.bench_function("sort", |bencher| {
        bencher.iter(|| sort(black_box(&batch), &catalogue, &DaysKept::all()).rows.len())
    });
    let mut rows = SensorRows::new(&catalogue, sort(&batch, &catalogue, &DaysKept::all()).rows);
    let mut out = BytesMut::with_capacity(512 * 1024);
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            for index in 0..rows.rows() {
                rows.encode(index, &mut out);
                if out.len() >= 256 * 1024 {
                    black_box(&out);
                    out.clear();
                }
            }
        });
    });
    group.bench_function("to_sql", |bencher| {
        bencher.iter(|| {
            for (_, reading) in batch.readings() {
                to_sql_row(&catalogue, reading, &mut out);
                if out.len() >= 4 * 1024 {
                    black_box(&out);
                    out.clear();
                }
            }
        });
    });
    group.finish();
}

/// As tokio-postgres' `BinaryCopyInWriter` writes a row: every field through `dyn ToSql`. It knows no NUMERIC, so that
/// is our conversion here as well: the difference is the row writer alone.
fn to_sql_row(catalogue: &Catalogue, reading: &Reading, out: &mut BytesMut) {
    let Some(entry) = catalogue.sensor(reading.sensor) else { return };
    let sensor = &entry.sensor;
    let time = |us: i64| chrono::DateTime::from_timestamp_micros(us).unwrap_or_default().naive_utc();
    let flags: Vec<bool> = (0..5).map(|bit| reading.is(1 << bit)).collect();
    let numbers = [
        reading.value,
        reading.min_1min,
        reading.max_1min,
        reading.avg_1min,
        reading.std_1min,
        f64::from(reading.anomaly_score),
    ]
    .map(Decimal);
    let (timestamp, created_at) = (time(reading.timestamp_us), time(reading.received_us));
    let fields: [(&dyn ToSql, Type); 22] = [
        (&sensor.sensor_id, Type::VARCHAR),
        (&sensor.machine_id, Type::VARCHAR),
        (&sensor.line_id, Type::VARCHAR),
        (&sensor.factory_id, Type::VARCHAR),
        (&sensor.unit, Type::VARCHAR),
        (&"IoT", Type::VARCHAR),
        (&timestamp, Type::TIMESTAMP),
        (&created_at, Type::TIMESTAMP),
        (&reading.protocol.as_str(), Type::VARCHAR),
        (&reading.status.as_str(), Type::VARCHAR),
        (&reading.quality.as_str(), Type::VARCHAR),
        (&flags[0], Type::BOOL),
        (&flags[1], Type::BOOL),
        (&flags[2], Type::BOOL),
        (&flags[3], Type::BOOL),
        (&flags[4], Type::BOOL),
        (&numbers[0], Type::NUMERIC),
        (&numbers[1], Type::NUMERIC),
        (&numbers[2], Type::NUMERIC),
        (&numbers[3], Type::NUMERIC),
        (&numbers[4], Type::NUMERIC),
        (&numbers[5], Type::NUMERIC),
    ];
    out.put_i16(fields.len() as i16);
    for (field, kind) in &fields {
        let at = out.len();
        out.put_i32(0);
        let written = field.to_sql_checked(kind, out).is_ok_and(|null| matches!(null, IsNull::No));
        let length = if written { (out.len() - at - 4) as i32 } else { -1 };
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
}

#[derive(Debug)]
struct Decimal(f64);

impl ToSql for Decimal {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let mut bytes = [0; NUMERIC_BYTES_MAX];
        let length = numeric(self.0, 4, &mut bytes);
        out.put_slice(&bytes[4..length]);
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::NUMERIC
    }

    tokio_postgres::types::to_sql_checked!();
}

fn bson_documents(criterion: &mut Criterion) {
    let (catalogue, batch) = (catalogue(), batch());
    let spool_id = Uuid::from_u128(1);
    let rows = order::sorted(&batch, |_| true);
    let mut group = criterion.benchmark_group("bson");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    let mut out = Vec::with_capacity(16 << 20);
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            out.clear();
            let mut encoder = ReadingEncoder::new(&catalogue, spool_id);
            rows.iter().for_each(|row| encoder.encode(row.reading, row.offset, &mut out));
            out.len()
        });
    });
    group.bench_function("doc!", |bencher| {
        bencher.iter_batched_ref(
            || Vec::with_capacity(16 << 20),
            |out: &mut Vec<u8>| {
                for row in &rows {
                    out.extend(document(&catalogue, row, spool_id).to_vec().unwrap_or_default());
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn document(catalogue: &Catalogue, row: &order::OrderedReading<'_>, spool_id: Uuid) -> bson::Document {
    let Some(entry) = catalogue.sensor(row.reading.sensor) else { return bson::Document::new() };
    let sensor = &entry.sensor;
    doc! {
        "_id": ObjectId::from_bytes(object_id(spool_id, row.offset)),
        "timestamp": DateTime::from_millis(row.reading.timestamp_us / 1_000),
        "meta": {
            "factory_id": &sensor.factory_id, "line_id": &sensor.line_id, "machine_id": &sensor.machine_id,
            "sensor_id": &sensor.sensor_id, "sensor_type": sensor.sensor_type.as_deref(), "unit": &sensor.unit,
        },
        "value": row.reading.value,
        "status": row.reading.status.as_str(),
        "anomaly_score": f64::from(row.reading.anomaly_score),
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = copy_rows, bson_documents
}
criterion_main!(benches);
