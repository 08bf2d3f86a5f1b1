//! `genims-dev install | up | down | status | logs`: the private servers, see [`genims_dev`].

use crate::stacks;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use genims_dev::{EnvFile, Server, Stack, StackOptions};
use genims_terminal::{Progress, say};
use std::path::{Path, PathBuf};
use std::time::Instant;

const ENV_FILE: &str = ".env";

#[derive(Debug, Args)]
pub(crate) struct StackFolder {
    /// Folder of the stack [default: that of the stack brought up from this folder, else .genims]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServersCommand {
    /// Find PostgreSQL, MariaDB, mongod and mosquitto, and install what is missing
    Install {
        /// What the tests need beside them, too: PgBouncer, promtool, Chromium, tmux, systemd-analyze
        #[arg(long)]
        tests: bool,
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
    /// Start what is not running and wait until it answers
    Up(UpArgs),
    /// Stop what this stack started
    Down {
        #[command(flatten)]
        place: StackFolder,
        /// Delete the folder with all data as well
        #[arg(long)]
        delete: bool,
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show URL, pid, port and folder of each server
    Status {
        #[command(flatten)]
        place: StackFolder,
        #[arg(long)]
        json: bool,
    },
    /// Show the end of the servers' logs
    Logs {
        #[command(flatten)]
        place: StackFolder,
        /// One server only: postgres, mariadb, mongodb or mosquitto
        server: Option<Server>,
        /// How many lines of each log
        #[arg(short = 'n', long, default_value_t = 40)]
        lines: usize,
    },
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Folder of the stack
    #[arg(long, default_value = stacks::USUAL, value_name = "FOLDER")]
    dir: PathBuf,
    /// Only these servers: postgres, mariadb, mongodb, mosquitto
    servers: Vec<Server>,
    /// Small caches: for tests and small machines
    #[arg(long)]
    small: bool,
    /// File to write the connection variables to [default: .env, unless somebody else wrote it]
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
    /// Print what `status --json` prints
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: ServersCommand) -> anyhow::Result<()> {
    match command {
        ServersCommand::Install { tests, json } => install(tests, json),
        ServersCommand::Up(args) => up(args),
        ServersCommand::Down { place, delete, json } => down(&place, delete, json),
        ServersCommand::Status { place, json } => status(&place, json),
        ServersCommand::Logs { place, server, lines } => logs(&place, server, lines),
    }
}

fn install(for_tests: bool, json: bool) -> anyhow::Result<()> {
    let (mut now, mut steps) = (None, Vec::new());
    genims_dev::install(for_tests, &mut |step| {
        // The one before it ends what it shows.
        drop(now.take());
        now = Some(begin(step));
        steps.push(step.to_owned());
    })?;
    drop(now);
    if json {
        say!("{:#}", serde_json::json!({ "installed": true, "steps": steps }));
    }
    Ok(())
}

fn up(args: UpArgs) -> anyhow::Result<()> {
    let servers = if args.servers.is_empty() { Server::ALL.to_vec() } else { args.servers };
    let began = Instant::now();
    let progress = begin("starting the servers");
    let stack = Stack::start(&StackOptions { dir: args.dir, servers, small: args.small, in_memory: false });
    drop(progress);
    let stack = stack?;
    stacks::remember(&here()?, stack.folder())?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&stack.status())?);
    } else {
        print_table(&stack);
        let seconds = began.elapsed().as_secs_f64();
        say!("\nready in {seconds:.1} s; stop with `genims-dev down --dir {}`", stack.folder().display());
    }

    let path = args.env.as_deref().unwrap_or(Path::new(ENV_FILE));
    let shown = path.display();
    match stack.write_env_file(path)? {
        EnvFile::NotOurs if args.env.is_some() => {
            bail!("{shown} was not written by this stack and is left as it is: delete it, or name another file")
        }
        _ if args.json => {}
        EnvFile::Written => say!("connection variables are in {shown}"),
        EnvFile::NotOurs => say!("{shown} was not written by this stack and is left as it is; --env names another"),
    }
    Ok(())
}

fn down(place: &StackFolder, delete: bool, json: bool) -> anyhow::Result<()> {
    let here = here()?;
    let Some(stack) = stacks::find(&here, place.dir.as_deref())? else {
        match json {
            true => say!("{}", serde_json::json!({ "stopped": null, "deleted": false })),
            false => say!("{}", nothing(place)),
        }
        return Ok(());
    };
    let folder = stack.folder().to_owned();
    let progress = begin("stopping the servers");
    let tell = |what: &str| progress.show(what);
    let stopped =
        if delete { stack.delete_telling(Some(Path::new(ENV_FILE)), &tell) } else { stack.stop_telling(&tell) };
    drop(progress);
    stopped?;
    if delete {
        stacks::forget(&here, &folder)?;
    }
    if json {
        say!("{}", serde_json::json!({ "stopped": folder, "deleted": delete }));
    } else if delete {
        say!("stopped and deleted: {}", folder.display());
    } else {
        say!("stopped: {}; `genims-dev up --dir {0}` starts it again", folder.display());
    }
    Ok(())
}

fn status(place: &StackFolder, json: bool) -> anyhow::Result<()> {
    let stack = open(place)?;
    if json {
        say!("{}", serde_json::to_string_pretty(&stack.status())?);
    } else {
        print_table(&stack);
    }
    Ok(())
}

fn logs(place: &StackFolder, server: Option<Server>, lines: usize) -> anyhow::Result<()> {
    let stack = open(place)?;
    for server in server.map_or(Server::ALL.to_vec(), |server| vec![server]) {
        say!("==> {} <==\n{}", stack.log_file(server).display(), stack.log_tail(server, lines)?);
    }
    Ok(())
}

fn open(place: &StackFolder) -> anyhow::Result<Stack> {
    stacks::find(&here()?, place.dir.as_deref())?
        .with_context(|| format!("{}: `genims-dev up` makes one", nothing(place)))
}

fn nothing(place: &StackFolder) -> String {
    match &place.dir {
        Some(dir) => format!("there is no stack in {}", dir.display()),
        None => "no stack was brought up from this folder; --dir names one elsewhere".to_owned(),
    }
}

fn here() -> anyhow::Result<PathBuf> {
    std::env::current_dir().context("the working directory is unknown; change into one that exists")
}

fn print_table(stack: &Stack) {
    let status = stack.status();
    say!("{:<10} {:>8}  URL, folder", "server", "pid");
    for (server, found) in status.servers {
        let pid = found.pid.map_or("stopped".to_owned(), |pid| pid.to_string());
        say!("{server:<10} {pid:>8}  {}\n{:<20} {}", found.url, "", found.dir.display());
    }
}

/// A step is told as it begins, and how long it has taken so far.
fn begin(step: &str) -> Progress {
    eprintln!("{step}");
    Progress::new("genims-dev", "")
}
