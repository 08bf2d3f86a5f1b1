//! Files into collections. In: a definition and its file. Out: a collection with the documents of the file, and how many they are.

use super::documents::{Definition, Documents};
use crate::errors::BackupError;
use crate::saved::Saved;
use genims_databases::MongoSettings;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::error::ErrorKind;
use mongodb::{Collection, Database};

const DOCUMENTS_MAX: usize = 1_000;
const BYTES_MAX: usize = 8 * 1024 * 1024;
const NAMESPACE_EXISTS: i32 = 48;
/// A server that is running may make a collection anew that it misses.
const TRIES: usize = 10;

/// With its options and indexes, in place of what somebody made meanwhile.
pub(super) async fn create(database: &Database, definition: &Definition) -> Result<(), mongodb::error::Error> {
    let mut command = doc! { "create": &definition.name };
    command.extend(definition.options.clone());
    let mut tries = 0;
    while let Err(error) = database.run_command(command.clone()).await {
        let is_there = matches!(error.kind.as_ref(), ErrorKind::Command(command) if command.code == NAMESPACE_EXISTS);
        tries += 1;
        if !is_there || tries == TRIES {
            return Err(error);
        }
        database.collection::<Document>(&definition.name).drop().await?;
    }
    let own = definition.indexes.iter().filter(|index| index.get_str("name").is_ok_and(|name| name != "_id_"));
    let indexes: Vec<Document> = own.map(specification).collect();
    if !indexes.is_empty() {
        database.run_command(doc! { "createIndexes": &definition.name, "indexes": indexes }).await?;
    }
    Ok(())
}

/// As provisioning asks for it: a time series remembers the words and their order, and takes the same index in others for another one.
fn specification(listed: &Document) -> Document {
    let mut specification = Document::new();
    let rest = listed.keys().map(String::as_str).filter(|key| !["name", "key", "v", "ns"].contains(key));
    for key in ["name", "key"].into_iter().chain(rest) {
        if let Some(value) = listed.get(key) {
            specification.insert(key, value.clone());
        }
    }
    specification
}

/// How many documents were taken. Those that have expired since may go at once, so they are not counted in the collection.
pub(super) async fn fill(
    settings: &MongoSettings,
    database: &Database,
    definition: &Definition,
    saved: &Saved<'_>,
) -> Result<u64, BackupError> {
    let mut documents = Documents::new(saved.open(&definition.file())?);
    let collection: Collection<RawDocumentBuf> = database.collection(&definition.name);
    let (mut batch, mut bytes, mut count) = (Vec::new(), 0, 0);
    loop {
        let next = documents.next()?;
        let is_end = next.is_none();
        if let Some(document) = next {
            bytes += document.as_bytes().len();
            batch.push(document);
        }
        if !batch.is_empty() && (is_end || batch.len() == DOCUMENTS_MAX || bytes >= BYTES_MAX) {
            let sent = batch.len();
            // What was taken once is taken again, whatever validators say by now. In any order: a time series takes ordered
            // documents one by one.
            let insert =
                collection.insert_many(std::mem::take(&mut batch)).ordered(false).bypass_document_validation(true);
            let inserted = insert.await.map_err(|error| settings.error(error))?.inserted_ids.len();
            if inserted != sent {
                let differences = format!("{}: {inserted} of {sent} documents were taken", definition.name);
                return Err(BackupError::Differs { place: settings.place(), differences });
            }
            (bytes, count) = (0, count + sent as u64);
        }
        if is_end {
            return Ok(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_asked_for_in_the_words_of_provisioning() {
        let listed = doc! { "v": 2, "unique": true, "key": { "a": 1 }, "name": "a_1", "ns": "d.c" };
        let keys: Vec<String> = specification(&listed).keys().cloned().collect();
        assert_eq!(keys, ["name", "key", "unique"]);
    }
}
