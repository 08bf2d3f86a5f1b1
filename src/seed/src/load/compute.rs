//! The computing thread: the world's tables, parents first, as messages to the loaders.

use super::{CHUNK_BYTES, Message, Plan, mongo, order};
use crate::spec::Specs;
use crate::value::Value;
use crate::world::{Parameters, TableId, Values, World};
use crate::{supplied, tsv};
use bytes::Bytes;
use genims_databases::{Database, Engine, Kind, Registry};
use std::collections::HashSet;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// What the computing thread does for one database.
pub(super) struct Work {
    pub database: Database,
    pub done: HashSet<String>,
    pub sender: mpsc::Sender<Message>,
}

pub(super) fn compute(
    registry: &Registry,
    specs: Option<PathBuf>,
    parameters: Parameters,
    work: Vec<Work>,
) -> Result<(), String> {
    let supplied = supplied::all(registry, parameters)?;
    let world = World::new(registry, Specs::load(specs.as_deref(), false)?, supplied, parameters, false)?;
    let names: Vec<String> = work.iter().map(|work| work.database.name.clone()).collect();
    // A loader ends when its sender is dropped, at the end of its turn.
    for (at, Work { database, done, sender }) in work.into_iter().enumerate() {
        for group in order::groups(&world, &database.name) {
            if group.iter().all(|table| done.contains(world.short_name(*table))) {
                continue;
            }
            if let Err(stop) = send_group(&world, &database, &group, &sender) {
                if let Stop::Failed(cause) = stop {
                    // The loader may have gone already with an error of its own.
                    let _ = sender.blocking_send(Message::Failed(cause));
                }
                break;
            }
        }
        world.release(&names[..=at]);
    }
    Ok(())
}

enum Stop {
    /// The loader has gone; it says why itself.
    Gone,
    Failed(String),
}

impl From<String> for Stop {
    fn from(cause: String) -> Self {
        Self::Failed(cause)
    }
}

fn send(sender: &mpsc::Sender<Message>, message: Message) -> Result<(), Stop> {
    sender.blocking_send(message).map_err(|_| Stop::Gone)
}

fn send_group(
    world: &World,
    database: &Database,
    group: &[TableId],
    sender: &mpsc::Sender<Message>,
) -> Result<(), Stop> {
    send(sender, Message::Begin)?;
    for table in group {
        let rows = world.rows(*table)?;
        let names = world.columns_of(*table);
        let mut columns = Vec::with_capacity(names.len());
        for name in &names {
            columns.push((kind(world, *table, name), world.column(*table, name)?));
        }
        let numbered = world.model(*table).and_then(|model| model.columns.iter().find(|column| column.generated));
        let numbered = numbered.map(|column| column.name.clone());
        let name = world.short_name(*table).to_owned();
        send(sender, Message::Table(Plan { table: name, columns: names.clone(), numbered, rows }))?;
        match database.engine {
            Engine::Mongodb => send_documents(&names, &columns, rows, sender)?,
            Engine::Mysql => send_lines(&columns, rows, ("1", "0"), sender)?,
            Engine::Postgresql => send_lines(&columns, rows, ("t", "f"), sender)?,
        }
    }
    send(sender, Message::Commit)
}

fn kind(world: &World, table: TableId, column: &str) -> Kind {
    world.model(table).and_then(|model| model.column(column)).map_or(Kind::Json, |column| column.kind)
}

fn send_lines(
    columns: &[(Kind, Values)],
    rows: usize,
    booleans: (&str, &str),
    sender: &mpsc::Sender<Message>,
) -> Result<(), Stop> {
    let mut buffer = String::with_capacity(CHUNK_BYTES + 4096);
    for row in 0..rows {
        tsv::line(columns, row, booleans, &mut buffer);
        if buffer.len() >= CHUNK_BYTES {
            let full = std::mem::replace(&mut buffer, String::with_capacity(CHUNK_BYTES + 4096));
            send(sender, Message::Chunk(Bytes::from(full)))?;
        }
    }
    if buffer.is_empty() { Ok(()) } else { send(sender, Message::Chunk(Bytes::from(buffer))) }
}

/// Documents a chunk.
const DOCUMENTS: usize = 2_000;

fn send_documents(
    names: &[String],
    columns: &[(Kind, Values)],
    rows: usize,
    sender: &mpsc::Sender<Message>,
) -> Result<(), Stop> {
    for first in (0..rows).step_by(DOCUMENTS) {
        let chunk = (first..rows.min(first + DOCUMENTS)).map(|row| {
            let values: Vec<&Value> = columns.iter().map(|(_, values)| &values[row]).collect();
            mongo::document(names, &values)
        });
        send(sender, Message::Documents(chunk.collect()))?;
    }
    Ok(())
}
