//! `genims seed render`: what would be seeded, as files.

use super::Common;
use super::jobs::Filled;
use genims_databases::Registry;
use genims_model::{counted, noun};
use genims_seed as seed;
use genims_terminal::{Progress, say};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct RenderArgs {
    #[command(flatten)]
    common: Common,
    /// Where to write <database>/<table>.tsv
    #[arg(long)]
    out: Option<PathBuf>,
    /// Take tables that nothing is said about for 20 rows
    #[arg(long)]
    draft: bool,
}

pub(super) fn run(args: &RenderArgs) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let common = &args.common;
    let by_jobs = Filled::load(&registry)?.tables;
    let bar = Progress::new("seed render", "");
    let done = seed::render(
        &registry,
        &common.modules,
        common.specs.as_deref(),
        common.parameters(),
        args.out.as_deref(),
        &by_jobs,
        args.draft,
    );
    drop(bar);
    let done = done.map_err(anyhow::Error::msg)?;
    let failed = done.iter().filter(|table| table.error.is_some()).count();
    if common.json {
        say!("{}", serde_json::to_string_pretty(&done)?);
    } else {
        for table in &done {
            let (row, byte) = (noun(table.rows, "row"), noun(table.bytes, "byte"));
            let size = format!("{:>9} {row:<4} {:>11} {byte:<5}", table.rows, table.bytes);
            say!("{:60} {size} {:>7.3} s", table.table, table.seconds);
            if !table.empty_columns.is_empty() {
                say!("    null in every row: {}", table.empty_columns.join(", "));
            }
            if let Some(error) = &table.error {
                say!("    ERROR {error}");
            }
        }
        let rows: usize = done.iter().map(|table| table.rows).sum();
        say!("{}, {}, {failed} failed", counted(done.len(), "table"), counted(rows, "row"));
    }
    Ok(if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
