//! Everything computed, no server touched: rows as files of tab separated text, or only counted. For those who write
//! `config/seed`, and for comparing two runs byte by byte.

use super::spec::Specs;
use super::world::{Parameters, World};
use super::{supplied, tsv};
use genims_databases::{Kind, Registry};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

/// What became of one table.
#[derive(Clone, Debug, Serialize)]
pub struct Rendered {
    pub table: String,
    pub rows: usize,
    pub bytes: usize,
    pub seconds: f64,
    /// Columns that are null in every row.
    pub empty_columns: Vec<String>,
    pub error: Option<String>,
}

/// Computes the tables of the given databases (all if none is given); with `out` each becomes `out/<database>/<table>.tsv`. Of those
/// that others fill (`elsewhere`) nothing need be said.
pub fn render(
    registry: &Registry,
    only: &[String],
    specs: Option<&Path>,
    parameters: Parameters,
    out: Option<&Path>,
    elsewhere: &BTreeSet<String>,
    draft: bool,
) -> Result<Vec<Rendered>, String> {
    let supplied = supplied::all(registry, parameters)?;
    let world = World::new(registry, Specs::load(specs, draft)?, supplied, parameters, draft)?;
    let mut done = Vec::new();
    for database in registry.all() {
        if !only.is_empty() && !only.contains(&database.name) && !only.contains(&database.module) {
            continue;
        }
        let folder = out.map(|out| out.join(&database.name));
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        for table in world.tables_of(&database.name) {
            let started = Instant::now();
            let name = world.name(table).to_owned();
            let mut rendered = Rendered {
                table: name.clone(),
                rows: 0,
                bytes: 0,
                seconds: 0.0,
                empty_columns: Vec::new(),
                error: None,
            };
            match text(&world, table, &mut rendered) {
                Ok(text) => {
                    if let Some(folder) = &folder {
                        let file = folder.join(format!("{}.tsv", name.rsplit('.').next().unwrap_or_default()));
                        let written = std::fs::File::create(&file).and_then(|mut file| file.write_all(text.as_bytes()));
                        written.map_err(|error| format!("{}: {error}", file.display()))?;
                    }
                }
                Err(cause) => rendered.error = Some(cause),
            }
            rendered.seconds = started.elapsed().as_secs_f64();
            done.push(rendered);
        }
        for name in world.unspecified(&database.name).into_iter().filter(|name| !elsewhere.contains(*name)) {
            let error = Some("config/seed says nothing about it".to_owned());
            let table = name.to_owned();
            done.push(Rendered { table, rows: 0, bytes: 0, seconds: 0.0, empty_columns: Vec::new(), error });
        }
    }
    Ok(done)
}

fn text(world: &World, table: super::world::TableId, rendered: &mut Rendered) -> Result<String, String> {
    let rows = world.rows(table)?;
    let mut columns = Vec::new();
    for name in world.columns_of(table) {
        let kind = world.model(table).and_then(|model| model.column(&name)).map_or(Kind::Json, |column| column.kind);
        let values = world.column(table, &name)?;
        if rows > 0 && values.iter().all(super::value::Value::is_null) {
            rendered.empty_columns.push(name);
        }
        columns.push((kind, values));
    }
    let mut out = String::new();
    (0..rows).for_each(|row| tsv::line(&columns, row, ("t", "f"), &mut out));
    (rendered.rows, rendered.bytes) = (rows, out.len());
    Ok(out)
}
