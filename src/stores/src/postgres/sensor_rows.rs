//! Readings become rows of `sensor_data`.
//!
//! Neighbours share a sensor, so what its rows have in common is encoded once per run. The columns are copied in an order
//! of our own that puts these shared ones first.

use crate::batch::Batch;
use crate::order::{OrderedReading, day_of, sorted};
use crate::postgres::copy::{EncodeRows, Refused};
use crate::postgres::days_kept::DaysKept;
use crate::postgres::field::{PutField, time_text};
use crate::postgres::partitions::{TIME_NOT_STORED, is_stored};
use crate::postgres::sensor_tail::{TAIL_BYTES_MAX, Tail, Texts};
use bytes::{BufMut, BytesMut};
use genims_catalogue::{Catalogue, Sensor};
use genims_model::reading::flag;
use genims_model::{Quality, Reading, SensorNo};

/// All columns but the generated one.
pub const COLUMNS: &str = "sensor_id, machine_id, line_id, factory_id, measurement_unit, data_source, timestamp, \
     created_at, protocol, status, quality, is_below_warning, is_above_warning, is_below_critical, is_above_critical, \
     is_anomaly, measurement_value, min_value_1min, max_value_1min, avg_value_1min, std_dev_1min, anomaly_score";
const FIELDS: i16 = 22;
/// The contract's default, which every reading of the stream has.
const DATA_SOURCE: &str = "IoT";

/// The readings of a batch, ready to be copied.
pub struct SensorRows<'a> {
    catalogue: &'a Catalogue,
    rows: Vec<OrderedReading<'a>>,
    /// What the rows of one sensor share: field count and leading fields.
    prefix: BytesMut,
    prefix_of: Option<SensorNo>,
    texts: Texts,
}

/// What sorting found besides the rows to copy.
#[derive(Debug, Default)]
pub struct Sorted<'a> {
    pub rows: Vec<OrderedReading<'a>>,
    /// Rows that replace one of an earlier batch, or may do so.
    pub replacing: Vec<OrderedReading<'a>>,
    /// Rows that a later one of the same batch replaces.
    pub superseded: u64,
    /// Rows that have no place: a sensor number that the catalogue does not know, a time that is not stored, or not now.
    pub unstorable: Vec<OrderedReading<'a>>,
}

/// Sorts a batch's readings and leaves out what is not to be written.
pub fn sort<'a>(batch: &'a Batch, catalogue: &Catalogue, kept: &DaysKept) -> Sorted<'a> {
    let has_day = |time_us: i64| is_stored(time_us) && kept.contains(time_us);
    let is_storable = |reading: &Reading| has_day(reading.timestamp_us) && catalogue.sensor(reading.sensor).is_some();
    let all = batch.readings().map(|(offset, reading)| OrderedReading { reading, offset });
    let unstorable = all.filter(|row| !is_storable(row.reading)).collect();
    let mut rows = sorted(batch, |row| is_storable(row.reading));
    let is_replacing = |row: &OrderedReading<'_>| row.reading.is(flag::REPLACES);
    let replacing: Vec<OrderedReading<'_>> = rows.iter().copied().filter(is_replacing).collect();
    let before = rows.len();
    if !replacing.is_empty() {
        let place = |row: &OrderedReading<'_>| (row.reading.sensor, row.reading.timestamp_us);
        let is_replaced = |pair: &[OrderedReading<'_>]| is_replacing(&pair[1]) && place(&pair[0]) == place(&pair[1]);
        let replaced: Vec<bool> = rows.windows(2).map(is_replaced).chain([false]).collect();
        let mut replaced = replaced.into_iter();
        rows.retain(|_| replaced.next() == Some(false));
    }
    Sorted { superseded: (before - rows.len()) as u64, rows, replacing, unstorable }
}

/// The days that sorted rows fall in, in order.
pub fn days(rows: &[OrderedReading<'_>]) -> Vec<i64> {
    let mut days: Vec<i64> = rows.iter().map(|row| day_of(row.reading.timestamp_us)).collect();
    days.dedup();
    days
}

impl<'a> SensorRows<'a> {
    pub fn new(catalogue: &'a Catalogue, rows: Vec<OrderedReading<'a>>) -> Self {
        Self { catalogue, rows, prefix: BytesMut::with_capacity(256), prefix_of: None, texts: Texts::default() }
    }

    fn share(&mut self, sensor: SensorNo) {
        self.prefix_of = Some(sensor);
        self.prefix.clear();
        self.prefix.put_i16(FIELDS);
        // `sort` set aside what the catalogue does not know.
        let Some(entry) = self.catalogue.sensor(sensor) else { return };
        let known = &entry.sensor;
        for text in [&known.sensor_id, &known.machine_id, &known.line_id, &known.factory_id, &known.unit] {
            self.prefix.put_text(text);
        }
        self.prefix.put_text(DATA_SOURCE);
    }
}

impl EncodeRows for SensorRows<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn encode(&mut self, index: usize, out: &mut BytesMut) {
        let reading = self.rows[index].reading;
        if self.prefix_of != Some(reading.sensor) {
            self.share(reading.sensor);
        }
        let tail = Tail::of(reading, &self.texts);
        out.reserve(self.prefix.len() + TAIL_BYTES_MAX);
        out.put_slice(&self.prefix);
        out.put_slice(tail.written());
    }

    fn refused(&self, index: usize) -> Refused {
        refused(self.catalogue, &self.rows[index], &DaysKept::all())
    }
}

/// The reading as an element of a batch payload, with the finished row under `row`: the stream has taken the reading, so
/// `genims deadletter replay` puts the row itself where it belongs.
pub fn refused(catalogue: &Catalogue, row: &OrderedReading<'_>, kept: &DaysKept) -> Refused {
    let OrderedReading { reading, offset } = row;
    let sensor = catalogue.sensor(reading.sensor).map(|entry| &entry.sensor);
    let sensor_id = sensor.map(|sensor| sensor.sensor_id.as_str());
    let mut element = serde_json::json!({
        "sensor_id": sensor_id,
        "timestamp_us": reading.timestamp_us,
        "value": reading.value,
    });
    if matches!(reading.quality, Quality::Uncertain | Quality::Bad) {
        element["quality"] = reading.quality.as_str().into();
    }
    if let Some(sensor) = sensor {
        element["row"] = finished_row(sensor, reading);
    }
    Refused {
        log_offset: *offset,
        source: Some(reading.source),
        received_us: reading.received_us,
        payload: element.to_string().into_bytes(),
        sqlstate: None,
        detail: match sensor_id {
            Some(_) if !is_stored(reading.timestamp_us) => TIME_NOT_STORED.to_owned(),
            Some(_) => kept.lack(reading.timestamp_us).unwrap_or_default().to_owned(),
            None => format!("sensor number {} is not in the catalogue's journal", reading.sensor.0),
        },
    }
}

/// Names and values as `sensor_data` has them, for `jsonb_populate_record`.
fn finished_row(sensor: &Sensor, reading: &Reading) -> serde_json::Value {
    serde_json::json!({
        "sensor_id": sensor.sensor_id,
        "machine_id": sensor.machine_id,
        "line_id": sensor.line_id,
        "factory_id": sensor.factory_id,
        "timestamp": time_text(reading.timestamp_us),
        "measurement_value": reading.value,
        "measurement_unit": sensor.unit,
        "data_source": DATA_SOURCE,
        "status": reading.status.as_str(),
        "quality": reading.quality.as_str(),
        "is_below_warning": reading.is(flag::BELOW_WARNING),
        "is_above_warning": reading.is(flag::ABOVE_WARNING),
        "is_below_critical": reading.is(flag::BELOW_CRITICAL),
        "is_above_critical": reading.is(flag::ABOVE_CRITICAL),
        "min_value_1min": reading.min_1min,
        "max_value_1min": reading.max_1min,
        "avg_value_1min": reading.avg_1min,
        "std_dev_1min": reading.std_1min,
        "anomaly_score": reading.anomaly_score,
        "is_anomaly": reading.is(flag::ANOMALY),
        "protocol": reading.protocol.as_str(),
        "created_at": time_text(reading.received_us),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use genims_model::Group;
    use std::sync::Arc;

    fn batch(readings: Vec<Reading>) -> Batch {
        let mut batch = Batch::default();
        batch.push(Arc::new(Group { readings, ..Group::default() }));
        batch
    }

    #[test]
    fn the_field_count_matches_the_column_list() {
        assert_eq!(COLUMNS.split(',').count(), FIELDS as usize);
    }

    #[test]
    fn the_last_reading_of_a_timestamp_wins_within_a_batch() {
        let catalogue = sample::catalogue(2);
        let mut readings = vec![sample::reading(SensorNo(0), 5); 3];
        readings[1].flags = flag::REPLACES;
        readings[2].flags = flag::REPLACES;
        readings.push(sample::reading(SensorNo(1), 5));
        let batch = batch(readings);
        let sorted = sort(&batch, &catalogue, &DaysKept::all());
        assert_eq!(sorted.rows.iter().map(|row| row.offset).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((sorted.superseded, sorted.replacing.len()), (1 + 1, 2));
    }

    #[test]
    fn same_timestamps_are_all_kept_where_nothing_replaces() {
        let batch = batch(vec![sample::reading(SensorNo(0), 5); 3]);
        assert_eq!(sort(&batch, &sample::catalogue(1), &DaysKept::all()).rows.len(), 3);
    }

    #[test]
    fn a_sensor_number_that_nobody_knows_is_set_aside() {
        let catalogue = sample::catalogue(1);
        let batch = batch(vec![sample::reading(SensorNo(9), 5), sample::reading(SensorNo(0), 5)]);
        let sorted = sort(&batch, &catalogue, &DaysKept::all());
        assert_eq!((sorted.rows.len(), sorted.unstorable.len()), (1, 1));
        assert!(refused(&catalogue, &sorted.unstorable[0], &DaysKept::all()).detail.contains("number 9"));
    }

    #[test]
    fn a_reading_of_no_plant_s_time_is_set_aside() {
        let catalogue = sample::catalogue(1);
        let batch = batch([i64::MIN, -1, 5, i64::MAX].map(|time| sample::reading(SensorNo(0), time)).to_vec());
        let sorted = sort(&batch, &catalogue, &DaysKept::all());
        assert_eq!((sorted.rows.len(), sorted.unstorable.len()), (1, 3));
        assert!(refused(&catalogue, &sorted.unstorable[0], &DaysKept::all()).detail.contains("1970"));
    }

    #[test]
    fn a_refused_reading_can_be_replayed_as_it_is() {
        let catalogue = sample::catalogue(1);
        let reading = Reading { quality: Quality::Bad, ..sample::reading(SensorNo(0), 5) };
        let refused = refused(&catalogue, &OrderedReading { reading: &reading, offset: 3 }, &DaysKept::all());
        let mut element: serde_json::Value = serde_json::from_slice(&refused.payload).expect("JSON");
        let row = element.as_object_mut().and_then(|element| element.remove("row")).expect("the finished row");
        let expected =
            serde_json::json!({ "sensor_id": "SEN-000000", "timestamp_us": 5, "value": 75.25, "quality": "bad" });
        assert_eq!(element, expected);
        assert!(COLUMNS.split(", ").all(|column| row.get(column).is_some()), "every column has its value: {row}");
        assert_eq!(row["timestamp"], "1970-01-01 00:00:00.000005");
        assert_eq!((&row["quality"], &row["measurement_value"]), (&"bad".into(), &75.25.into()));
    }

    #[test]
    fn each_day_is_named_once() {
        let catalogue = sample::catalogue(2);
        let day_us = 86_400_000_000;
        let times = [day_us, 0, day_us + 1, 3 * day_us];
        let batch = batch(times.map(|time| sample::reading(SensorNo(1), time)).to_vec());
        assert_eq!(days(&sort(&batch, &catalogue, &DaysKept::all()).rows), [0, 1, 3]);
    }
}
