//! `genims-dev demo`: the whole way once, with the same commands that a user would type: private servers, the 17 databases
//! with their data and its proof, server, load, real records, verdict. Everything it starts it stops again, unless `--keep`.

mod readiness;
mod report;
mod steps;
mod story;

use crate::bench::{Tools, announce};
use anyhow::Context;
use clap::Args;
use genims_dev::{SERVER_DATA, Stack, StackOptions};
use genims_terminal::say;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use steps::{BACKUPS, Steps};

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How long the simulated plants send
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Write the result to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Leave everything running at the end
    #[arg(long)]
    keep: bool,
    /// TLS for all connections of genims and loadtest, by an authority that the demo makes
    #[arg(long)]
    tls: bool,
    /// Folder of the demo's servers and data
    #[arg(long, default_value = ".genims/demo", value_name = "FOLDER")]
    dir: PathBuf,
}

pub(crate) fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let tools = Tools::find()?;
    say!("GenIMS demo: a plant group and four real wind turbines, from sockets to databases.\n");
    announce("installing what is missing");
    genims_dev::install(false, &mut |step| say!("    {step}"))?;
    match Stack::open(&args.dir)? {
        Some(_) if args.keep => {}
        // New databases begin with a new log: an earlier demo's would bring its readings into them.
        Some(old) => {
            old.delete(None)?;
            delete_rest(&args.dir)?;
        }
        None => delete_rest(&args.dir)?,
    }
    announce("starting private PostgreSQL, MariaDB, MongoDB and mosquitto");
    let stack = Stack::start(&StackOptions { dir: args.dir.clone(), ..StackOptions::default() })?;
    let mut steps = match Steps::new(tools, &stack, &args.dir, args.tls) {
        Ok(steps) => steps,
        Err(error) => {
            stack.stop()?;
            return Err(error);
        }
    };
    let outcome = steps.all(args.seconds);
    let result = outcome.and_then(|parts| {
        let report = report::Figures::of(&parts)?;
        report.print();
        story::tell(&stack)?;
        report.print_readiness();
        if let Some(path) = &args.json {
            report.write(path)?;
            say!("\nThe whole report: {}", path.display());
        }
        Ok(report.is_clean())
    });
    if args.keep {
        steps.leave_running(&stack);
    } else {
        steps.stop_server();
        announce("stopping the servers and deleting the demo's data");
        match &result {
            Ok(true) => {
                stack.delete(None)?;
                delete_rest(&args.dir)?;
            }
            _ => {
                stack.stop()?;
                say!("    kept for a look: {}", args.dir.display());
            }
        }
    }
    // The last line in any case: what people look for when the demo is over.
    say!("\n{}", dashboard(&steps.dashboard(), args.keep));
    Ok(if result? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the dashboard is, or how it stays.
fn dashboard(url: &str, kept: bool) -> String {
    let how = if kept { "" } else { ", with KEEP=1 (--keep) for as long as you like; this one was stopped" };
    format!("Dashboard: {url}/{how}")
}

/// The log and the backups that a demo leaves whose databases are gone.
fn delete_rest(folder: &Path) -> anyhow::Result<()> {
    for rest in [SERVER_DATA, BACKUPS] {
        let rest = folder.join(rest);
        match std::fs::remove_dir_all(&rest) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot delete {}", rest.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_the_address_of_the_dashboard_and_says_whether_somebody_is_there() {
        let url = "http://127.0.0.1:9400";
        assert_eq!(dashboard(url, true), "Dashboard: http://127.0.0.1:9400/");
        let stopped = dashboard(url, false);
        assert!(stopped.starts_with("Dashboard: http://127.0.0.1:9400/,"), "{stopped}");
        assert!(stopped.contains("KEEP=1") && !stopped.contains('\n'), "{stopped}");
    }
}
