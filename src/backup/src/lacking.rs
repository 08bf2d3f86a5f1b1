//! Whether the operations database has what the mirror holds: who empties the mirror so that it is given again loses the rest.
//!
//! In: both databases, where the mirror is to be emptied. Out: nothing, or an error with the figures. Compared is how many readings of
//! each sensor and snapshots of each machine there are on each day, the mirror's first: a server that runs stores meanwhile, and there
//! never after the mirror by much. What PostgreSQL replaced or refused is the mirror's alone for good; of that only the number is known.

use crate::errors::BackupError;
use futures_util::TryStreamExt;
use genims_databases::{MongoSettings, PostgresClient, PostgresError, PostgresSettings};
use genims_model::counted;
use genims_stores::mongo::collections::{SCADA_EVENTS, SENSOR_READINGS};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use std::collections::{BTreeMap, BTreeSet};

const DAY_MS: i64 = 86_400_000;

const PROVISIONED: &str = "SELECT to_regclass('public.sensor_data') IS NOT NULL \
    AND to_regclass('public.scada_machine_data') IS NOT NULL AND to_regclass('genims_internal.ingest_batches') IS NOT NULL";

/// How many, by whose they are and the day since 1970.
type Days = BTreeMap<(String, i64), u64>;

/// What the stream gives to both.
struct Kind {
    one: &'static str,
    of: &'static str,
    /// The field in the mirror's `meta`, and the column.
    owner: &'static str,
    collection: &'static str,
    filter: Document,
    table: &'static str,
    /// Of the stream alone.
    condition: &'static str,
    /// Columns of a batch's entry: what came in and is not in the table.
    explained: &'static str,
}

fn kinds() -> [Kind; 2] {
    let (readings, events) = (SENSOR_READINGS.name, SCADA_EVENTS.name);
    [
        Kind {
            one: "reading",
            of: "sensor",
            owner: "sensor_id",
            collection: readings,
            filter: doc! {},
            table: "sensor_data",
            condition: "protocol IS NOT NULL",
            explained: "superseded_rows + replaced_rows + refused_rows",
        },
        Kind {
            one: "snapshot",
            of: "machine",
            owner: "machine_id",
            collection: events,
            filter: doc! { "event_type": "snapshot" },
            table: "scada_machine_data",
            condition: "true",
            explained: "refused_rows",
        },
    ]
}

/// Refuses where the mirror holds more than PostgreSQL has and had.
pub(crate) async fn refuse(
    (client, operations): (&PostgresClient, &PostgresSettings),
    settings: &MongoSettings,
) -> Result<(), BackupError> {
    let failed = |error| operations.error(error);
    let mongo = settings.client().await?;
    let is_provisioned: bool = client.query_typed_one(PROVISIONED, &[]).await.map_err(failed)?.get(0);
    let mut told = Vec::new();
    for kind in kinds() {
        let mirrored =
            mirrored(&mongo, settings.database_name(), &kind).await.map_err(|error| settings.error(error))?;
        let stored = if is_provisioned { stored(client, &kind, &mirrored).await.map_err(failed)? } else { Days::new() };
        let lacks = Lacks::of(&mirrored, &stored);
        let explained = if is_provisioned { explained(client, &kind, &lacks).await.map_err(failed)? } else { 0 };
        if lacks.documents > explained {
            told.extend(lacks.told(&kind));
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    Err(BackupError::MirrorAlone { place: settings.place(), lacks: told.join(", ") })
}

async fn mirrored(client: &Client, database: &str, kind: &Kind) -> Result<Days, Error> {
    let day = doc! { "$dateTrunc": { "date": "$timestamp", "unit": "day" } };
    let pipeline = [
        doc! { "$match": kind.filter.clone() },
        doc! { "$group": { "_id": { "owner": format!("$meta.{}", kind.owner), "day": day }, "documents": { "$sum": 1_i64 } } },
    ];
    let collection = client.database(database).collection::<Document>(kind.collection);
    let mut found = collection.aggregate(pipeline).allow_disk_use(true).await?;
    let mut days = Days::new();
    while let Some(document) = found.try_next().await? {
        let Ok(id) = document.get_document("_id") else { continue };
        let day = id.get_datetime("day").map_or(0, |day| day.timestamp_millis().div_euclid(DAY_MS));
        let documents = document.get_i64("documents").unwrap_or_default().unsigned_abs();
        days.insert((id.get_str("owner").unwrap_or_default().to_owned(), day), documents);
    }
    Ok(days)
}

/// Of the days that the mirror has.
async fn stored(client: &PostgresClient, kind: &Kind, mirrored: &Days) -> Result<Days, PostgresError> {
    let days = || mirrored.keys().map(|(_, day)| *day);
    let (Some(first), Some(last)) = (days().min(), days().max()) else { return Ok(Days::new()) };
    let Kind { owner, table, condition, .. } = kind;
    let sql = format!(
        "SELECT {owner}, (timestamp::date - DATE '1970-01-01')::bigint, count(*) FROM {table} \
         WHERE {condition} AND timestamp >= DATE '1970-01-01' + {first} AND timestamp < DATE '1970-01-01' + {} GROUP BY 1, 2",
        last + 1
    );
    let rows = client.query_typed(&sql, &[]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get::<_, i64>(2).unsigned_abs())).collect())
}

/// What batches with readings of the lacking days kept out of the table.
async fn explained(client: &PostgresClient, kind: &Kind, lacks: &Lacks) -> Result<u64, PostgresError> {
    let (first, end) = (lacks.first, lacks.last + 1);
    let sql = format!(
        "SELECT coalesce(sum({}), 0)::bigint FROM genims_internal.ingest_batches WHERE timestamp_min IS NULL \
         OR (timestamp_max >= DATE '1970-01-01' + {first} AND timestamp_min < DATE '1970-01-01' + {end})",
        kind.explained
    );
    Ok(client.query_typed_one(&sql, &[]).await?.get::<_, i64>(0).unsigned_abs())
}

/// What the mirror has beyond what PostgreSQL has, and how many both have of those days.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lacks {
    documents: u64,
    owners: usize,
    first: i64,
    last: i64,
    mirrored: u64,
    stored: u64,
}

impl Lacks {
    /// Day by day and owner by owner: more of one makes up for nothing of another.
    fn of(mirrored: &Days, stored: &Days) -> Self {
        let (mut lacks, mut owners) = (Self::default(), BTreeSet::new());
        for (key, documents) in mirrored {
            let ((owner, day), has) = (key, stored.get(key).copied().unwrap_or(0));
            if *documents <= has {
                continue;
            }
            (lacks.first, lacks.last) = match lacks.documents {
                0 => (*day, *day),
                _ => (lacks.first.min(*day), lacks.last.max(*day)),
            };
            lacks.documents += documents - has;
            lacks.mirrored += documents;
            lacks.stored += has;
            owners.insert(owner);
        }
        Self { owners: owners.len(), ..lacks }
    }

    fn told(&self, kind: &Kind) -> Option<String> {
        let Self { documents, owners, first, last, mirrored, stored } = self;
        let day = |day: &i64| {
            let at = chrono::DateTime::from_timestamp_millis(day * DAY_MS);
            at.map_or_else(|| day.to_string(), |at| at.format("%Y-%m-%d").to_string())
        };
        let what = format!("{} of {}", counted(*documents, kind.one), counted(*owners, kind.of));
        let days = format!("{} to {}: {mirrored} in MongoDB, {stored} in PostgreSQL", day(first), day(last));
        (*documents > 0).then(|| format!("{what} ({days})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(of: &[(&str, i64, u64)]) -> Days {
        of.iter().map(|(owner, day, documents)| (((*owner).to_owned(), *day), *documents)).collect()
    }

    #[test]
    fn what_only_the_mirror_has_is_told_with_its_days_and_no_other_sensor_makes_up_for_it() {
        let [readings, _] = kinds();
        let mirrored = days(&[("A", 20_454, 100), ("A", 20_456, 9), ("B", 20_455, 5)]);
        let all = days(&[("A", 20_454, 100), ("A", 20_456, 9), ("B", 20_455, 50), ("C", 1, 1)]);
        assert_eq!(Lacks::of(&mirrored, &all).told(&readings), None);
        let some = days(&[("A", 20_454, 40), ("B", 20_455, 5_000)]);
        let told = Lacks::of(&mirrored, &some).told(&readings).unwrap_or_default();
        assert_eq!(told, "69 readings of 1 sensor (2026-01-01 to 2026-01-03: 109 in MongoDB, 40 in PostgreSQL)");
        let lacks = Lacks::of(&mirrored, &Days::new());
        assert_eq!((lacks.documents, lacks.owners, lacks.stored), (114, 2, 0));
    }
}
