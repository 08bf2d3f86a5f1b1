//! The readings of PostgreSQL against those of the mirror: per sensor how many there are, and a checksum of their times and
//! values that does not depend on order. Both databases add up on their side; one line per sensor crosses the wire. What the
//! mirror may have more is in [`super::surplus`].
//!
//! What it costs: PostgreSQL and MongoDB each go once through everything that the mirror keeps, and MongoDB once more through
//! the readings of sensors that only counts could explain. Where the mirror has some of what PostgreSQL refused of a sensor,
//! both are asked for those one by one.

use super::report::{Finding, LEDGER as FAMILY, Problem};
use super::source::{Documents, Sources};
use super::surplus::{AcrossSensors, Readings, Shared, Sum, doubtful, unexplained};
use super::{OPERATIONS, PRODUCTION};
use crate::link::{Fields, field, number};
use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;
use genims_databases::registry;
use genims_model::{Reason, counted};
use std::collections::BTreeMap;

pub(super) const RULE: &str = "mirror_holds_each_sensor_s_readings";

/// A prime below 2^31: products of two remainders fit into 64 bits, in both databases.
const PRIME: i64 = 2_147_483_647;
const FACTOR: i64 = 48_271;
/// Near its expiry a document may be gone or not: buckets go as a whole, at the server's next round.
const EXPIRY_MARGIN_US: i64 = 86_400_000_000;
/// Sensors that one question names: below the size of a command, however long their ids are.
const SENSORS_AT_ONCE: usize = 10_000;
/// As many of the refused, by sensor and time.
const REFUSED_AT_ONCE: usize = 10_000;

/// `replaced`: so many rows PostgreSQL replaced, as its ledger says.
pub(super) async fn check(sources: &Sources, replaced: u64) -> Result<Finding, Problem> {
    let kept = registry::retention(PRODUCTION).ok().flatten();
    let kept_us = kept.and_then(|kept| i64::try_from(kept.as_micros()).ok());
    let from_us = kept_us.map_or(0, |kept_us| (sources.now_us() - kept_us + EXPIRY_MARGIN_US).max(0));
    let from_s = from_us / 1_000_000;
    let mut readings: BTreeMap<String, Readings> = BTreeMap::new();
    let mut counted = AcrossSensors { replaced, lost: 0 };
    let each = &mut |row: Fields<'_>| {
        let (sensor, sum) = (field(&row, 1).to_owned(), Sum { count: number(&row, 2), checksum: number(&row, 3) });
        match field(&row, 0) {
            "stored" => readings.entry(sensor).or_default().stored = sum,
            "refused" => readings.entry(sensor).or_default().refused = sum,
            _ => counted.lost = sum.count,
        }
    };
    sources.rows(OPERATIONS, &in_postgres(from_s), each).await?;
    let mirror = Mirror { documents: sources.documents(PRODUCTION)?, from: DateTime::from_millis(from_s * 1_000) };
    for (sensor, sum) in mirror.sums().await? {
        readings.entry(sensor).or_default().mirrored = sum;
    }
    if readings.values().any(Readings::has_some_refused) {
        let refused = refused_one_by_one(sources, from_s, &readings).await?;
        for (sensor, found) in mirror.found(&refused).await? {
            let of_sensor = readings.entry(sensor).or_default();
            of_sensor.found = of_sensor.found + found;
        }
    }
    let mut shared = BTreeMap::new();
    for sensors in doubtful(&readings, &counted).chunks(SENSORS_AT_ONCE) {
        shared.extend(mirror.shared(sensors).await?);
    }
    Ok(compared(&readings, &shared, &counted))
}

/// The remainder that stands for one reading, from SQL for its milliseconds and ten-thousandths.
fn hash(ms: &str, units: &str) -> String {
    format!("({ms} % {PRIME} * {FACTOR} + {units} % {PRIME} + {PRIME}) % {PRIME}")
}

/// What PostgreSQL refused and nobody has put back: rows of sensor_id, ms, units. Only payloads with a finished row are read as
/// JSON: of others nobody knows what they are.
fn refused(from_s: i64) -> String {
    let reason = Reason::RefusedByDatabase.code();
    format!(
        "SELECT element ->> 'sensor_id' AS sensor_id, (element ->> 'timestamp_us')::bigint / 1000 AS ms,
             round((element ->> 'value')::numeric * 10000)::bigint AS units FROM (
             SELECT CASE WHEN length(payload) = payload_bytes AND position('\"row\":{{'::bytea IN payload) > 0
                 THEN convert_from(payload, 'UTF8')::jsonb END AS element
             FROM genims_internal.dead_letters WHERE reason = '{reason}' AND replayed_at IS NULL) AS letters
         WHERE element ->> 'sensor_id' IS NOT NULL AND element ->> 'value' IS NOT NULL
             AND (element ->> 'timestamp_us')::bigint >= {from_s} * 1000000::bigint"
    )
}

/// What PostgreSQL holds of each sensor, what it refused of it and nobody has put back, and how many refused rows have lost
/// their content: all of one moment. Rows of [kind, sensor, number, checksum].
fn in_postgres(from_s: i64) -> String {
    let stored = hash(
        "(extract(epoch FROM date_trunc('milliseconds', timestamp)) * 1000)::bigint",
        "(measurement_value * 10000)::bigint",
    );
    let (refused, of_refused) = (refused(from_s), hash("ms", "units"));
    let reason = Reason::RefusedByDatabase.code();
    // The stream's own rows have a protocol; what other clients write there has none, and no mirror. Refused rows that came or
    // were purged before the time that is looked at lie before it, too: a reading is hardly ahead of its receipt.
    format!(
        "SELECT 'stored', sensor_id, count(*), sum(h * h % {PRIME}) FROM (
             SELECT sensor_id, {stored} AS h FROM sensor_data
             WHERE protocol IS NOT NULL AND timestamp >= to_timestamp({from_s}) AT TIME ZONE 'UTC') AS stored
         GROUP BY sensor_id
         UNION ALL SELECT 'refused', sensor_id, count(*), sum(h * h % {PRIME}) FROM (
             SELECT sensor_id, {of_refused} AS h FROM ({refused}) AS refused) AS refused
         GROUP BY sensor_id
         UNION ALL SELECT 'lost', '', coalesce(sum(letters), 0)::bigint, 0 FROM (
             SELECT letters, received_at AS gone_at FROM genims_internal.dead_letters
             WHERE reason = '{reason}' AND (payload_bytes = 0 OR length(payload) < payload_bytes)
             UNION ALL SELECT letters, purged_at FROM genims_internal.dead_letters_purged WHERE reason = '{reason}') AS lost
         WHERE gone_at >= to_timestamp({from_s}) - interval '1 day'"
    )
}

/// Readings of one time and value.
#[derive(Clone, Copy, Debug, Default)]
struct Equal {
    refused: u64,
    /// The mirror has these in any case.
    stored: u64,
    /// What one of them adds to a checksum.
    checksum: u64,
}

/// By sensor and milliseconds; then by ten-thousandths.
type Refused = BTreeMap<(String, i64), BTreeMap<i64, Equal>>;

/// What PostgreSQL refused of the sensors of which the mirror has some of it.
async fn refused_one_by_one(
    sources: &Sources,
    from_s: i64,
    readings: &BTreeMap<String, Readings>,
) -> Result<Refused, Problem> {
    let (refused, hash) = (refused(from_s), hash("ms", "units"));
    let sql = format!(
        "SELECT sensor_id, ms, units, refused, (SELECT count(*) FROM sensor_data AS stored
             WHERE protocol IS NOT NULL AND stored.sensor_id = equal.sensor_id
                 AND timestamp >= timestamp 'epoch' + ms * interval '1 millisecond'
                 AND timestamp < timestamp 'epoch' + (ms + 1) * interval '1 millisecond'
                 AND (measurement_value * 10000)::bigint = units), h * h % {PRIME} FROM (
             SELECT sensor_id, ms, units, count(*) AS refused, {hash} AS h FROM ({refused}) AS refused
             GROUP BY sensor_id, ms, units) AS equal"
    );
    let mut found = Refused::new();
    let each = &mut |row: Fields<'_>| {
        let sensor = field(&row, 0);
        if readings.get(sensor).is_some_and(Readings::has_some_refused) {
            let [ms, units]: [i64; 2] = [1, 2].map(|index| field(&row, index).parse().unwrap_or_default());
            let equal = Equal { refused: number(&row, 3), stored: number(&row, 4), checksum: number(&row, 5) };
            found.entry((sensor.to_owned(), ms)).or_default().insert(units, equal);
        }
    };
    sources.rows(OPERATIONS, &sql, each).await?;
    Ok(found)
}

/// The readings that the mirror keeps from a time on.
struct Mirror<'a> {
    documents: &'a Documents,
    from: DateTime,
}

impl Mirror<'_> {
    async fn sums(&self) -> Result<Vec<(String, Sum)>, Problem> {
        let prime = Bson::Int64(PRIME);
        let modulo = |value: Bson| Bson::Document(doc! { "$mod": [value, prime.clone()] });
        let time = modulo(Bson::Document(doc! { "$toLong": "$timestamp" }));
        let value = modulo(Bson::Document(units()));
        let hash = modulo(Bson::Document(doc! { "$add": [{ "$multiply": [time, FACTOR] }, value, prime.clone()] }));
        let square = modulo(Bson::Document(doc! { "$multiply": ["$hash", "$hash"] }));
        let pipeline = [
            doc! { "$match": { "timestamp": { "$gte": self.from } } },
            doc! { "$project": { "_id": 0, "sensor": "$meta.sensor_id", "hash": hash } },
            doc! { "$group": { "_id": "$sensor", "count": { "$sum": 1_i64 }, "checksum": { "$sum": square } } },
        ];
        let sum = |found: &Document| Sum { count: whole(found, "count"), checksum: whole(found, "checksum") };
        self.by_sensor(pipeline, sum).await
    }

    /// Of those of the sensors that have several documents at one time.
    async fn shared(&self, sensors: &[&str]) -> Result<Vec<(String, Shared)>, Problem> {
        let difference = |of: &str, less: Bson| doc! { "$sum": { "$subtract": [of, less] } };
        let pipeline = [
            doc! { "$match": { "meta.sensor_id": { "$in": sensors }, "timestamp": { "$gte": self.from } } },
            doc! { "$group": { "_id": { "sensor": "$meta.sensor_id", "timestamp": "$timestamp" },
            "documents": { "$sum": 1_i64 }, "names": { "$addToSet": "$_id" } } },
            doc! { "$match": { "documents": { "$gt": 1 } } },
            doc! { "$project": { "documents": 1, "names": { "$size": "$names" } } },
            doc! { "$group": { "_id": "$_id.sensor", "doubled": difference("$documents", "$names".into()),
            "beside": difference("$names", 1.into()) } },
        ];
        let shared = |found: &Document| Shared { doubled: whole(found, "doubled"), beside: whole(found, "beside") };
        self.by_sensor(pipeline, shared).await
    }

    /// Those of the refused that are there, by sensor; a sensor may come several times.
    async fn found(&self, refused: &Refused) -> Result<Vec<(String, Sum)>, Problem> {
        let mut all = Vec::new();
        let places: Vec<&(String, i64)> = refused.keys().collect();
        for places in places.chunks(REFUSED_AT_ONCE) {
            let mut sensors: Vec<&str> = places.iter().map(|(sensor, _)| sensor.as_str()).collect();
            sensors.dedup();
            let times: Vec<DateTime> = places.iter().map(|(_, ms)| DateTime::from_millis(*ms)).collect();
            let pipeline = [
                doc! { "$match": { "meta.sensor_id": { "$in": sensors }, "timestamp": { "$in": times } } },
                doc! { "$group": { "_id": { "sensor": "$meta.sensor_id", "ms": { "$toLong": "$timestamp" }, "units": units() },
                "documents": { "$sum": 1_i64 } } },
            ];
            let each = |document: &Document| {
                let Ok(id) = document.get_document("_id") else { return };
                let sensor = id.get_str("sensor").unwrap_or_default();
                let [ms, units]: [i64; 2] = ["ms", "units"].map(|name| id.get_i64(name).unwrap_or_default());
                let place = (sensor.to_owned(), ms);
                // One that another question names, too, is counted there.
                if places.binary_search(&&place).is_err() {
                    return;
                }
                let Some(equal) = refused.get(&place).and_then(|of_place| of_place.get(&units)) else { return };
                let count = whole(document, "documents").saturating_sub(equal.stored).min(equal.refused);
                all.push((place.0, Sum { count, checksum: count * equal.checksum }));
            };
            self.aggregate(pipeline, each).await?;
        }
        Ok(all)
    }

    async fn by_sensor<T>(
        &self,
        pipeline: impl IntoIterator<Item = Document>,
        read: impl Fn(&Document) -> T,
    ) -> Result<Vec<(String, T)>, Problem> {
        let mut all = Vec::new();
        let each = |found: &Document| all.push((found.get_str("_id").unwrap_or_default().to_owned(), read(found)));
        self.aggregate(pipeline, each).await?;
        Ok(all)
    }

    async fn aggregate(
        &self,
        pipeline: impl IntoIterator<Item = Document>,
        mut each: impl FnMut(&Document),
    ) -> Result<(), Problem> {
        let Documents { settings, client, .. } = self.documents;
        let readings = client.database(settings.database_name()).collection::<Document>("sensor_readings");
        let failed = |error| Problem::Query(settings.error(error).to_string());
        let mut found = readings.aggregate(pipeline).allow_disk_use(true).await.map_err(failed)?;
        while let Some(document) = found.try_next().await.map_err(failed)? {
            each(&document);
        }
        Ok(())
    }
}

/// The ten-thousandths of a document's value.
fn units() -> Document {
    doc! { "$toLong": { "$round": [{ "$multiply": ["$value", 10_000] }, 0] } }
}

fn whole(document: &Document, name: &str) -> u64 {
    let number = document.get(name).and_then(|value| value.as_i64().or_else(|| value.as_i32().map(i64::from)));
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

fn compared(
    readings: &BTreeMap<String, Readings>,
    shared: &BTreeMap<String, Shared>,
    explained: &AcrossSensors,
) -> Finding {
    let says = "PostgreSQL and its mirror hold the same readings of each sensor";
    let mut finding = Finding::new(RULE, FAMILY, &[OPERATIONS, PRODUCTION], says);
    finding.looked_at = readings.values().map(|readings| readings.stored.count.max(readings.mirrored.count)).sum();
    for (sensor, difference) in unexplained(readings, shared, explained) {
        finding.violation(sensor, difference);
    }
    let more: u64 = readings.values().map(Readings::surplus).sum();
    finding.explanation = match (finding.violations, more) {
        (0, 0) => format!("number and checksum agree for {}", counted(readings.len(), "sensor")),
        (0, more) => {
            format!("in the mirror alone, as PostgreSQL replaced or refused it: {}", counted(more, "reading"))
        }
        _ => "if a server runs, ask again when its lag is 0; else bring the mirror back".to_owned(),
    };
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(of: &[(&str, [(u64, u64); 3])]) -> Finding {
        let sum = |(count, checksum)| Sum { count, checksum };
        let readings = of.iter().map(|(sensor, sums)| {
            let [stored, mirrored, refused] = sums.map(sum);
            ((*sensor).to_owned(), Readings { stored, mirrored, refused, found: Sum::default() })
        });
        compared(&readings.collect(), &BTreeMap::new(), &AcrossSensors::default())
    }

    #[test]
    fn sensors_whose_numbers_cancel_each_other_out_do_not_agree() {
        let none = (0, 0);
        let finding =
            finding(&[("A", [(9, 1), (10, 2), none]), ("B", [(1, 5), none, none]), ("C", [(3, 7), (3, 7), none])]);
        assert!(!finding.passed && finding.violations == 2, "{finding:?}");
        assert_eq!(finding.examples[0].detail, "9 readings in PostgreSQL, 10 in the mirror");
        assert_eq!(finding.looked_at, 14);
    }

    #[test]
    fn what_only_the_mirror_has_is_said_also_where_it_may() {
        let finding = finding(&[("A", [(9, 1), (10, 3), (1, 2)]), ("B", [(4, 4), (4, 4), (0, 0)])]);
        assert!(finding.passed && finding.explanation.ends_with("replaced or refused it: 1 reading"), "{finding:?}");
    }
}
