//! Readings condensed: of each sensor and minute one document of the archive.
//!
//! Enters: rows of [`select`], which PostgreSQL groups; what the archive holds of the same minutes. Leaves: the documents that it
//! lacks, and how many rows of which day stand in it. Invariants: readings of different units, machines, lines or factories are
//! never added up; nothing here waits for a server.

use bson::oid::ObjectId;
use bson::{DateTime, Document, doc};
use chrono::{NaiveDate, NaiveDateTime};
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::{Error, Row};

/// The columns that a table needs, beside its time and its key, for its rows to be condensed.
pub(super) const COLUMNS: [&str; 9] = [
    "sensor_id",
    "machine_id",
    "line_id",
    "factory_id",
    "measurement_value",
    "measurement_unit",
    "status",
    "quality",
    "anomaly_score",
];

/// The fields that a collection has whose documents each stand for a minute.
pub(super) const FIELDS: [&str; 5] = ["value", "value_min", "value_max", "value_last", "count"];

/// The minutes of the rows `t` of a relation, sensor by sensor: a time series takes documents of one series at once the cheapest.
/// A score outside of its scale is none.
pub(super) fn select(relation: &str, time: &str, id: &str, condition: &str) -> String {
    format!(
        "SELECT t.sensor_id, date_trunc('minute', t.{time}), t.machine_id, t.line_id, t.factory_id, t.measurement_unit, \
             avg(t.measurement_value)::float8, min(t.measurement_value)::float8, max(t.measurement_value)::float8, \
             ((array_agg(t.measurement_value ORDER BY t.{time} DESC, t.{id} DESC))[1])::float8, \
             count(*), count(*) FILTER (WHERE t.status = 'warning'), count(*) FILTER (WHERE t.status = 'critical'), \
             count(*) FILTER (WHERE t.quality <> 'good'), \
             (max(t.anomaly_score) FILTER (WHERE t.anomaly_score BETWEEN 0 AND 1))::float8, max(t.{id}) \
         FROM {relation} t WHERE {condition} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2"
    )
}

/// What a minute is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) sensor_id: String,
    pub(super) machine_id: String,
    pub(super) line_id: String,
    pub(super) factory_id: String,
    pub(super) unit: String,
    /// The beginning, in milliseconds since 1970.
    pub(super) start_ms: i64,
}

impl Key {
    /// Of a document of the archive, and the readings that it stands for; none of one that is not like ours.
    pub(super) fn of(document: &Document) -> Option<(Self, i64)> {
        let meta = document.get_document("meta").ok()?;
        let text = |name: &str| meta.get_str(name).ok().map(str::to_owned);
        let count = document.get("count")?;
        let count = count.as_i64().or_else(|| count.as_i32().map(i64::from))?;
        let key = Self {
            sensor_id: text("sensor_id")?,
            machine_id: text("machine_id")?,
            line_id: text("line_id")?,
            factory_id: text("factory_id")?,
            unit: text("unit")?,
            start_ms: document.get_datetime("timestamp").ok()?.timestamp_millis(),
        };
        Some((key, count))
    }
}

/// A sensor's readings of a minute.
#[derive(Clone, Debug)]
pub(super) struct Minute {
    pub(super) key: Key,
    day: NaiveDate,
    mean: f64,
    lowest: f64,
    highest: f64,
    last: f64,
    readings: i64,
    warning: i64,
    critical: i64,
    bad_quality: i64,
    anomaly_score_max: Option<f64>,
    newest_id: i64,
}

impl Minute {
    /// A row of [`select`].
    pub(super) fn of(row: &Row) -> Result<Self, Error> {
        let start: NaiveDateTime = row.try_get(1)?;
        Ok(Self {
            key: Key {
                sensor_id: row.try_get(0)?,
                machine_id: row.try_get(2)?,
                line_id: row.try_get(3)?,
                factory_id: row.try_get(4)?,
                unit: row.try_get(5)?,
                start_ms: start.and_utc().timestamp_millis(),
            },
            day: start.date(),
            mean: row.try_get(6)?,
            lowest: row.try_get(7)?,
            highest: row.try_get(8)?,
            last: row.try_get(9)?,
            readings: row.try_get(10)?,
            warning: row.try_get(11)?,
            critical: row.try_get(12)?,
            bad_quality: row.try_get(13)?,
            anomaly_score_max: row.try_get(14)?,
            newest_id: row.try_get(15)?,
        })
    }

    /// As the archive keeps it; `sensor_type` as the master data says now.
    pub(super) fn document(&self, sensor_type: Option<&str>, archived_at: DateTime) -> Document {
        let key = &self.key;
        let mut meta = doc! {
            "factory_id": &key.factory_id,
            "line_id": &key.line_id,
            "machine_id": &key.machine_id,
            "sensor_id": &key.sensor_id,
        };
        if let Some(sensor_type) = sensor_type {
            meta.insert("sensor_type", sensor_type);
        }
        meta.insert("unit", &key.unit);
        let mut document = doc! {
            "_id": ObjectId::new(),
            "timestamp": DateTime::from_millis(key.start_ms),
            "meta": meta,
            "value": self.mean,
            "value_min": self.lowest,
            "value_max": self.highest,
            "value_last": self.last,
            "count": self.readings,
            "warning_count": self.warning,
            "critical_count": self.critical,
            "bad_quality_count": self.bad_quality,
        };
        if let Some(score) = self.anomaly_score_max {
            document.insert("anomaly_score_max", score);
        }
        document.insert("archived_at", archived_at);
        document
    }
}

/// What of a day stands in the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ArchivedDay {
    pub(super) rows: i64,
    pub(super) newest_id: Option<i64>,
    pub(super) documents: i64,
}

/// How far rows have been condensed.
#[derive(Debug, Default)]
pub(super) struct Condensed {
    pub(super) days: BTreeMap<NaiveDate, ArchivedDay>,
    /// Documents that were not there before.
    pub(super) inserted: u64,
    /// Minutes that the archive holds with another number of readings.
    pub(super) differing: u64,
    /// Those among them of which the archive has more readings than are here.
    pub(super) fuller: u64,
}

impl Condensed {
    /// Adds minutes; those that the archive, which holds `there`, lacks.
    pub(super) fn add<'m>(&mut self, minutes: &'m [Minute], there: &HashMap<Key, i64>) -> Vec<&'m Minute> {
        let mut lacking = Vec::new();
        for minute in minutes {
            let day = self.days.entry(minute.day).or_default();
            day.rows += minute.readings;
            day.newest_id = day.newest_id.max(Some(minute.newest_id));
            day.documents += 1;
            match there.get(&minute.key) {
                None => lacking.push(minute),
                Some(readings) if *readings == minute.readings => {}
                Some(readings) => {
                    self.differing += 1;
                    self.fuller += u64::from(*readings > minute.readings);
                }
            }
        }
        lacking
    }

    pub(super) fn readings(&self) -> i64 {
        self.days.values().map(|day| day.rows).sum()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use genims_databases::{Registry, schema};

    pub(in crate::retention) fn minute(sensor: &str, unit: &str, start: &str, readings: i64, newest_id: i64) -> Minute {
        let start: NaiveDateTime = start.parse().expect("a time");
        let key = Key {
            sensor_id: sensor.to_owned(),
            machine_id: "M".to_owned(),
            line_id: "L".to_owned(),
            factory_id: "F".to_owned(),
            unit: unit.to_owned(),
            start_ms: start.and_utc().timestamp_millis(),
        };
        Minute {
            key,
            day: start.date(),
            mean: 2.0,
            lowest: 1.0,
            highest: 4.0,
            last: 3.0,
            readings,
            warning: 1,
            critical: 1,
            bad_quality: 0,
            anomaly_score_max: Some(0.5),
            newest_id,
        }
    }

    #[test]
    fn only_what_the_archive_lacks_is_written_and_another_number_of_readings_is_told() {
        let minutes = [
            minute("A", "C", "2020-05-28T23:59:00", 60, 9),
            minute("A", "C", "2020-05-29T00:00:00", 50, 7),
            minute("A", "F", "2020-05-29T00:00:00", 10, 8),
            minute("B", "C", "2020-05-29T00:00:00", 5, 6),
        ];
        let documents = [
            minutes[0].document(Some("temperature"), DateTime::from_millis(0)),
            minute("B", "C", "2020-05-29T00:00:00", 4, 1).document(None, DateTime::from_millis(0)),
        ];
        let there: HashMap<Key, i64> = documents.iter().filter_map(Key::of).collect();
        assert_eq!(there.len(), 2);
        let mut condensed = Condensed::default();
        let lacking: Vec<&Key> = condensed.add(&minutes, &there).into_iter().map(|minute| &minute.key).collect();
        assert_eq!(lacking, [&minutes[1].key, &minutes[2].key], "what differs in its unit is another series");
        assert_eq!((condensed.differing, condensed.fuller, condensed.readings()), (1, 0, 125));
        let days: Vec<ArchivedDay> = condensed.days.into_values().collect();
        let day = |rows, newest_id, documents| ArchivedDay { rows, newest_id: Some(newest_id), documents };
        assert_eq!(days, [day(60, 9, 1), day(65, 8, 3)]);
        let mut fewer = Condensed::default();
        fewer.add(&[minute("B", "C", "2020-05-29T00:00:00", 3, 6)], &there);
        assert_eq!((fewer.differing, fewer.fuller), (1, 1), "the archive has readings that are here no more");
    }

    #[test]
    fn a_document_has_the_fields_of_its_schema() {
        let registry = Registry::load(None).expect("the embedded registry");
        let files = schema::files(registry.get("genims_production").expect("in the registry"));
        let file = files.iter().find(|file| file.name == "sensor_readings_archive.json").expect("in the schema");
        let schema: serde_json::Value = serde_json::from_str(file.text).expect("JSON");
        let fits = |document: &Document, schema: &serde_json::Value| {
            let (properties, required) = (&schema["properties"], schema["required"].as_array().expect("a list"));
            let unknown = document.keys().find(|name| *name != "_id" && !properties[name.as_str()].is_object());
            let lacking = required.iter().find(|name| !document.contains_key(name.as_str().unwrap_or_default()));
            assert_eq!((unknown, lacking), (None, None), "{document}");
        };
        let mut whole = minute("A", "C", "2020-05-28T00:00:00", 60, 9);
        for sensor_type in [Some("temperature"), None] {
            let document = whole.document(sensor_type, DateTime::from_millis(0));
            fits(&document, &schema["fields"]);
            let meta = document.get_document("meta").expect("a document");
            fits(meta, &schema["fields"]["properties"]["meta"]);
            assert_eq!(meta.get_str("sensor_type").ok(), sensor_type);
            assert_eq!(document.contains_key("anomaly_score_max"), whole.anomaly_score_max.is_some());
            whole.anomaly_score_max = None;
        }
        let fields = &schema["fields"]["properties"];
        assert!(FIELDS.iter().all(|field| fields[*field].is_object()));
    }
}
