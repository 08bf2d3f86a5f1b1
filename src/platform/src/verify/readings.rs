//! The readings of PostgreSQL against those of the mirror: per sensor how many there are, and a checksum of their times and
//! values that does not depend on order. Both databases add up on their side; one line per sensor crosses the wire.
//!
//! What it costs: PostgreSQL and MongoDB each go once through everything that the mirror keeps.

use super::report::{Finding, LEDGER as FAMILY, Problem};
use super::source::Sources;
use super::{OPERATIONS, PRODUCTION};
use crate::link::{Fields, field, number};
use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;
use genims_databases::registry;
use std::collections::BTreeMap;

pub(super) const RULE: &str = "mirror_holds_each_sensor_s_readings";

/// A prime below 2^31: products of two remainders fit into 64 bits, in both databases.
const PRIME: i64 = 2_147_483_647;
const FACTOR: i64 = 48_271;
/// Near its expiry a document may be gone or not: buckets go as a whole, at the server's next round.
const EXPIRY_MARGIN_US: i64 = 86_400_000_000;

/// Number and checksum of one sensor's readings.
type Sum = (u64, u64);

/// By sensor: what PostgreSQL holds, and what the mirror holds.
type Sums = BTreeMap<String, (Sum, Sum)>;

/// `surplus`: so many readings the mirror may have more, because PostgreSQL replaced or refused them.
pub(super) async fn check(sources: &Sources, surplus: u64) -> Result<Finding, Problem> {
    let kept = registry::retention(PRODUCTION).ok().flatten();
    let kept_us = kept.and_then(|kept| i64::try_from(kept.as_micros()).ok());
    let from_us = kept_us.map_or(0, |kept_us| (sources.now_us() - kept_us + EXPIRY_MARGIN_US).max(0));
    let mut sums = Sums::new();
    // The stream's own rows have a protocol; what other clients write there has none, and no mirror.
    let query = format!(
        "SELECT sensor_id, count(*), sum(h * h % {PRIME}) FROM (
             SELECT sensor_id, ((extract(epoch FROM date_trunc('milliseconds', timestamp)) * 1000)::bigint % {PRIME}
                 * {FACTOR} + (measurement_value * 10000)::bigint % {PRIME} + {PRIME}) % {PRIME} AS h
             FROM sensor_data WHERE protocol IS NOT NULL AND timestamp >= to_timestamp({}) AT TIME ZONE 'UTC') AS hashed
         GROUP BY sensor_id",
        from_us / 1_000_000
    );
    let each = &mut |row: Fields<'_>| {
        sums.entry(field(&row, 0).to_owned()).or_default().0 = (number(&row, 1), number(&row, 2));
    };
    sources.rows(OPERATIONS, &query, each).await?;
    let documents = sources.documents(PRODUCTION)?;
    let readings =
        documents.client.database(documents.settings.database_name()).collection::<Document>("sensor_readings");
    let failed = |error| Problem::Query(documents.settings.error(error).to_string());
    let mut found = readings.aggregate(pipeline(from_us / 1_000_000 * 1_000)).await.map_err(failed)?;
    while let Some(sum) = found.try_next().await.map_err(failed)? {
        let sensor = sum.get_str("_id").unwrap_or_default().to_owned();
        sums.entry(sensor).or_default().1 = (whole(&sum, "count"), whole(&sum, "checksum"));
    }
    Ok(compared(&sums, surplus))
}

fn pipeline(from_ms: i64) -> [Document; 3] {
    let prime = Bson::Int64(PRIME);
    let modulo = |value: Bson| Bson::Document(doc! { "$mod": [value, prime.clone()] });
    let time = modulo(Bson::Document(doc! { "$toLong": "$timestamp" }));
    let scaled = doc! { "$round": [{ "$multiply": ["$value", 10_000] }, 0] };
    let value = modulo(Bson::Document(doc! { "$toLong": scaled }));
    let hash = modulo(Bson::Document(doc! { "$add": [{ "$multiply": [time, FACTOR] }, value, prime.clone()] }));
    let square = modulo(Bson::Document(doc! { "$multiply": ["$hash", "$hash"] }));
    [
        doc! { "$match": { "timestamp": { "$gte": DateTime::from_millis(from_ms) } } },
        doc! { "$project": { "_id": 0, "sensor": "$meta.sensor_id", "hash": hash } },
        doc! { "$group": { "_id": "$sensor", "count": { "$sum": 1_i64 }, "checksum": { "$sum": square } } },
    ]
}

fn whole(document: &Document, name: &str) -> u64 {
    let number = document.get(name).and_then(|value| value.as_i64().or_else(|| value.as_i32().map(i64::from)));
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

fn compared(sums: &Sums, surplus: u64) -> Finding {
    let says = "PostgreSQL and its mirror hold the same readings of each sensor";
    let mut finding = Finding::new(RULE, FAMILY, &[OPERATIONS, PRODUCTION], says);
    finding.looked_at = sums.values().map(|((here, _), (there, _))| here.max(there)).sum();
    let more: u64 = sums.values().map(|((here, _), (there, _))| there.saturating_sub(*here)).sum();
    for (sensor, ((here, checksum), (there, mirrored))) in sums {
        if here > there || (here == there && checksum != mirrored) || (here < there && more > surplus) {
            let detail = if here == there {
                format!("{here} readings in both, of different times or values")
            } else {
                format!("{here} readings in PostgreSQL, {there} in the mirror")
            };
            finding.violation(sensor.as_str(), detail);
        }
    }
    finding.explanation = match (finding.violations, more) {
        (0, 0) => format!("{} sensors agree in number and checksum", sums.len()),
        (0, more) => format!("{more} readings that PostgreSQL replaced or refused are in the mirror alone"),
        _ => "if a server runs, ask again when its lag is 0; else bring the mirror back".to_owned(),
    };
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(of: &[(&str, Sum, Sum)]) -> Sums {
        of.iter().map(|(sensor, here, there)| ((*sensor).to_owned(), (*here, *there))).collect()
    }

    #[test]
    fn sensors_whose_numbers_cancel_each_other_out_do_not_agree() {
        let finding = compared(&sums(&[("A", (9, 1), (10, 2)), ("B", (1, 5), (0, 0)), ("C", (3, 7), (3, 7))]), 0);
        assert!(!finding.passed && finding.violations == 2, "{finding:?}");
        assert_eq!(finding.examples[0].detail, "9 readings in PostgreSQL, 10 in the mirror");
    }

    #[test]
    fn as_many_readings_of_other_values_do_not_agree() {
        let finding = compared(&sums(&[("A", (9, 1), (9, 2))]), 5);
        assert!(!finding.passed && finding.violations == 1, "{finding:?}");
    }

    #[test]
    fn what_postgres_replaced_may_be_in_the_mirror_alone_and_no_more() {
        let replaced = sums(&[("A", (9, 1), (10, 2)), ("B", (4, 4), (4, 4))]);
        assert!(compared(&replaced, 1).passed);
        assert!(!compared(&replaced, 0).passed);
        assert!(!compared(&sums(&[("A", (10, 1), (9, 2))]), 1).passed, "the mirror lacks one");
    }
}
