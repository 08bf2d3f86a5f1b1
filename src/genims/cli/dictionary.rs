//! `genims dictionary`: every database, table and column as text, JSON, or one HTML page.

use anyhow::Context;
use clap::Args;
use genims_databases::Registry;
use genims_platform::dictionary::{ColumnEntry, Dictionary, page};
use genims_terminal::say;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the data dictionary: databases, tables, columns, types, comments, references; needs no server
#[derive(Debug, Args)]
pub(crate) struct DictionaryArgs {
    /// Write it as one self-contained HTML page with a search
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: DictionaryArgs) -> anyhow::Result<ExitCode> {
    let dictionary = Dictionary::of(&Registry::load(None)?)?;
    if let Some(file) = args.html {
        std::fs::write(&file, page(&dictionary)?).with_context(|| format!("{} cannot be written", file.display()))?;
        say!("{}", file.display());
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        say!("{}", serde_json::to_string_pretty(&dictionary).context("the dictionary as JSON")?);
    } else {
        say!("{}", text(&dictionary));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(dictionary: &Dictionary) -> String {
    let mut lines = Vec::new();
    for entry in &dictionary.databases {
        lines.push(format!("{}: {}", entry.database.name, entry.database.purpose));
        for table in &entry.contents {
            lines.push(format!("\n{}.{}: {}", entry.database.name, table.name, table.comment));
            let width = |of: fn(&ColumnEntry) -> usize| table.columns.iter().map(of).max().unwrap_or(0);
            let (names, types) = (width(|column| column.name.len()), width(|column| column.declared.len()));
            for column in &table.columns {
                let line = format!("  {:<names$}  {:<types$}  {}", column.name, column.declared, rest(column));
                lines.push(line.trim_end().to_owned());
            }
        }
        lines.push(String::new());
    }
    lines.join("\n")
}

fn rest(column: &ColumnEntry) -> String {
    let mut parts = Vec::new();
    if column.key {
        parts.push("key".to_owned());
    } else if column.unique {
        parts.push("unique".to_owned());
    }
    if column.nullable {
        parts.push("null".to_owned());
    }
    if let Some(default) = &column.default {
        parts.push(format!("default {default}"));
    }
    if !column.references.is_empty() {
        parts.push(format!("-> {}", column.references.join(" or ")));
    }
    let properties = parts.join(", ");
    let gap = if properties.is_empty() || column.comment.is_empty() { "" } else { "; " };
    format!("{properties}{gap}{}", column.comment)
}
