//! The time-series collections that the stream and its routes write, as `config/schema/mongodb` describes them.

use crate::error::SinkError;
use bson::doc;
use genims_databases::schema::{self, SchemaFile};
use genims_databases::{Registry, expiry};
use mongodb::Database;
use mongodb::action::Action;
use mongodb::options::{TimeseriesGranularity, TimeseriesOptions};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

/// The database of the mirror.
const PRODUCTION: &str = "genims_production";

/// What a schema file says of its time series.
struct Described {
    granularity: TimeseriesGranularity,
    /// None: documents are kept for good.
    expire_after: Option<Duration>,
}

/// As far as it is about a time series.
#[derive(Deserialize)]
struct SchemaForm {
    timeseries: Option<SeriesForm>,
}

#[derive(Deserialize)]
struct SeriesForm {
    granularity: TimeseriesGranularity,
}

/// All time series by name. Whoever runs has read the registry before, and schema files are embedded.
static DESCRIBED: LazyLock<BTreeMap<&str, Described>> = LazyLock::new(|| {
    let registry = Registry::load(None);
    let Some(production) = registry.as_ref().ok().and_then(|registry| registry.get(PRODUCTION).ok()) else {
        return BTreeMap::new();
    };
    let of = |file: SchemaFile| {
        let (name, form) = (file.name.strip_suffix(".json")?, serde_json::from_str::<SchemaForm>(file.text).ok()?);
        let expire_after = expiry::of_collection(production, name).ok().flatten();
        Some((name, Described { granularity: form.timeseries?.granularity, expire_after }))
    };
    schema::files(production).into_iter().filter_map(of).collect()
});

/// A time-series collection: `timestamp` is its time, `meta` its series.
#[derive(Clone, Debug)]
pub struct TimeSeries {
    pub name: &'static str,
    pub granularity: TimeseriesGranularity,
}

pub const SENSOR_READINGS: TimeSeries =
    TimeSeries { name: "sensor_readings", granularity: TimeseriesGranularity::Seconds };
pub const SCADA_EVENTS: TimeSeries = TimeSeries { name: "scada_events", granularity: TimeseriesGranularity::Seconds };
pub(crate) const MACHINE_FAULT_EVENTS: TimeSeries =
    TimeSeries { name: "machine_fault_events", granularity: TimeseriesGranularity::Hours };
pub(crate) const OEE_METRICS: TimeSeries =
    TimeSeries { name: "oee_metrics", granularity: TimeseriesGranularity::Hours };
pub const ALL: [TimeSeries; 4] = [SENSOR_READINGS, SCADA_EVENTS, MACHINE_FAULT_EVENTS, OEE_METRICS];

impl TimeSeries {
    /// The one that a schema file describes under this name.
    pub(crate) fn described(name: &str) -> Option<Self> {
        let (&name, described) = DESCRIBED.get_key_value(name)?;
        Some(Self { name, granularity: described.granularity.clone() })
    }

    /// How long documents are kept, as its schema file says; then the server deletes them. None: for good.
    pub fn expire_after(&self) -> Option<Duration> {
        DESCRIBED.get(self.name)?.expire_after
    }

    /// Documents older than this are not worth sending: the server would delete them at its next round.
    pub fn expired_below_us(&self, now_us: i64) -> i64 {
        let kept_us =
            self.expire_after().map_or(i64::MAX, |after| i64::try_from(after.as_micros()).unwrap_or(i64::MAX));
        now_us.saturating_sub(kept_us)
    }
}

/// Makes what is missing of `wanted`: an insert into a collection that does not exist would make an ordinary one.
pub async fn ensure(database: &Database, wanted: &[TimeSeries]) -> Result<(), SinkError> {
    let existing = names(database, "timeseries").await?;
    let is_there = |collection: &&TimeSeries| existing.iter().any(|name| name == collection.name);
    for collection in wanted.iter().filter(|collection| !is_there(collection)) {
        let options = TimeseriesOptions::builder()
            .time_field("timestamp")
            .meta_field(Some("meta".to_owned()))
            .granularity(Some(collection.granularity.clone()))
            .build();
        let create = database.create_collection(collection.name).timeseries(options);
        let created = create.optional(collection.expire_after(), |create, after| create.expire_after_seconds(after));
        match created.await {
            Err(error) if is_already_there(&error) => {}
            result => result?,
        }
    }
    Ok(())
}

/// Those of our collections that are time series.
pub(crate) async fn time_series(database: &Database) -> Result<Vec<&'static str>, SinkError> {
    of_type(database, "timeseries").await
}

/// Those of our collections that are ordinary ones.
pub async fn ordinary(database: &Database) -> Result<Vec<&'static str>, SinkError> {
    of_type(database, "collection").await
}

async fn of_type(database: &Database, kind: &str) -> Result<Vec<&'static str>, SinkError> {
    let found = names(database, kind).await?;
    Ok(ALL.iter().map(|collection| collection.name).filter(|ours| found.iter().any(|name| name == ours)).collect())
}

/// All collections of a kind, `timeseries` or `collection`.
pub(crate) async fn names(database: &Database, kind: &str) -> Result<Vec<String>, SinkError> {
    Ok(database.list_collection_names().filter(doc! { "type": kind }).await?)
}

/// Somebody else was faster. An ordinary collection of that name is not found out here but by `genims verify`.
fn is_already_there(error: &mongodb::error::Error) -> bool {
    const NAMESPACE_EXISTS: i32 = 48;
    matches!(&*error.kind, mongodb::error::ErrorKind::Command(command) if command.code == NAMESPACE_EXISTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collections_are_those_of_the_schema() {
        let registry = Registry::load(None).expect("the embedded registry");
        let files = schema::files(registry.get(PRODUCTION).expect("in the registry"));
        let described: Vec<serde_json::Value> = files
            .iter()
            // The platform has more collections than the stream writes.
            .filter(|file| ALL.iter().any(|made| file.name.strip_suffix(".json") == Some(made.name)))
            .map(|file| {
                let schema: serde_json::Value = serde_json::from_str(file.text).expect("JSON");
                let granularity = &schema["timeseries"]["granularity"];
                serde_json::json!([file.name, granularity])
            })
            .collect();
        let mut written: Vec<serde_json::Value> =
            ALL.iter().map(|made| serde_json::json!([format!("{}.json", made.name), made.granularity])).collect();
        written.sort_by_key(ToString::to_string);
        assert_eq!(written, described);
    }

    #[test]
    fn every_time_series_of_the_schema_has_the_fields_that_it_is_made_with() {
        let registry = Registry::load(None).expect("the embedded registry");
        for file in schema::files(registry.get(PRODUCTION).expect("in the registry")) {
            let schema: serde_json::Value = serde_json::from_str(file.text).expect("JSON");
            let made = TimeSeries::described(file.name.trim_end_matches(".json")).map(|series| {
                serde_json::json!({ "timeField": "timestamp", "metaField": "meta", "granularity": series.granularity })
            });
            assert_eq!(schema.get("timeseries"), made.as_ref(), "{}", file.name);
        }
    }

    #[test]
    fn a_reading_expires_after_ninety_days_and_a_fault_never() {
        let day_us = 86_400_000_000;
        assert_eq!(SENSOR_READINGS.expired_below_us(100 * day_us), 10 * day_us);
        assert!(MACHINE_FAULT_EVENTS.expired_below_us(0) <= -i64::MAX);
    }
}
