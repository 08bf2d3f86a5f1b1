//! MongoDB lets documents expire by itself: what its collections and indexes say, against what the schema files say.

use super::holds::{Holds, reason};
use super::report::{DatabaseRetention, How, TableReport};
use crate::errors::PlatformError;
use chrono::{Days, NaiveDate};
use futures_util::TryStreamExt;
use genims_databases::{Database, Environment, MongoSettings, expiry, schema};
use mongodb::bson::Document;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a collection says, and where.
type Said = BTreeMap<String, (Duration, String)>;

pub(super) async fn look(
    database: &Database,
    environment: &Environment,
    holds: &Holds,
    as_of: NaiveDate,
    report: &mut DatabaseRetention,
) -> Result<(), PlatformError> {
    let settings = MongoSettings::from_environment(database, environment)?;
    let client = settings.client().await?;
    let store = client.database(settings.database_name());
    let said = said(&store).await.map_err(|error| settings.error(error))?;
    for file in schema::files(database) {
        let Some(name) = file.name.strip_suffix(".json") else { continue };
        let wanted = expiry::of_collection(database, name)?;
        let found = said.get(name);
        if wanted != found.map(|(after, _)| *after) {
            let [wanted, found] = [wanted, found.map(|(after, _)| *after)].map(told);
            report
                .remarks
                .push(format!("{name} keeps documents {found} and its file says {wanted}: run `genims provision`"));
        }
        let Some((after, place)) = found else { continue };
        let before = as_of.checked_sub_days(Days::new(after.as_secs() / 86_400));
        report.tables.push(TableReport::new(name, How::Expiry, place.clone(), before));
        let held = holds.of(&database.name, name);
        for hold in held.all.iter().chain(held.keys.values()) {
            report.remarks.push(format!(
                "{name}: {} names documents that the server deletes all the same when they expire: copy them out",
                reason(hold)
            ));
        }
    }
    Ok(())
}

async fn said(store: &mongodb::Database) -> Result<Said, mongodb::error::Error> {
    let mut said = Said::new();
    let mut collections = store.list_collections().await?;
    while let Some(collection) = collections.try_next().await? {
        if let Some(after) = collection.options.expire_after_seconds {
            said.insert(collection.name, (after, "expireAfterSeconds of the collection".to_owned()));
            continue;
        }
        if collection.name.starts_with("system.")
            || collection.collection_type == mongodb::results::CollectionType::View
        {
            continue;
        }
        let mut indexes = store.collection::<Document>(&collection.name).list_indexes().await?;
        while let Some(index) = indexes.try_next().await? {
            let Some(options) = index.options else { continue };
            if let Some(after) = options.expire_after {
                let place = format!("index {}", options.name.unwrap_or_default());
                said.insert(collection.name.clone(), (after, place));
            }
        }
    }
    Ok(said)
}

fn told(after: Option<Duration>) -> String {
    after.map_or_else(|| "for good".to_owned(), |after| format!("{} days", after.as_secs() / 86_400))
}
