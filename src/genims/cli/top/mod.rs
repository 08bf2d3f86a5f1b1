//! `genims top`: the server's snapshot in a terminal, once a second, over HTTP. Nothing but the HTTP side is needed, so it runs
//! wherever that can be reached. A server that is away is shown as such, and asked again; nothing is kept but the last snapshot.

mod screen;
mod view;

use super::door::Door;
use anyhow::{Context, bail};
use clap::Args;
use genims::settings::HttpOptions;
use genims_api::snapshot::ServerSnapshot;
use genims_databases::Environment;
use genims_model::Polling;
use genims_terminal::say;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use screen::Screen;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(1);
/// How long a key may wait.
const KEYS_EVERY: Duration = Duration::from_millis(100);
const COLUMNS: u16 = 80;

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Where the server's HTTP side is, for example http://127.0.0.1:9400 [default: where the configuration says]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print one snapshot as JSON and end
    #[arg(long, conflicts_with = "once")]
    json: bool,
    /// Print one picture as text and end
    #[arg(long)]
    once: bool,
}

type Seen = Result<ServerSnapshot, String>;

/// `http` is what the configuration says of the HTTP side.
pub(crate) async fn run(
    args: TopArgs,
    environment: &Environment,
    http: impl FnOnce() -> anyhow::Result<HttpOptions>,
) -> anyhow::Result<ExitCode> {
    let door = Door::new(args.url.as_deref(), environment, http)?;
    tokio::task::spawn_blocking(move || look(&args, door)).await??;
    Ok(ExitCode::SUCCESS)
}

fn look(args: &TopArgs, door: Door) -> anyhow::Result<()> {
    if args.json {
        say!("{:#}", serde_json::to_value(asked(&door)?)?);
    } else if args.once {
        let (snapshot, now) = (asked(&door)?, Instant::now());
        let mut screen = Screen::new(door.url);
        screen.saw(Ok(snapshot), now);
        say!("{}", picture(&screen, now)?);
    } else {
        live(door)?;
    }
    Ok(())
}

fn asked(door: &Door) -> anyhow::Result<ServerSnapshot> {
    match door.snapshot() {
        Ok(snapshot) => Ok(snapshot),
        Err(cause) => bail!("{cause}; start `genims serve`, or name its HTTP side with --url"),
    }
}

/// The screen as text, as many lines as it takes.
fn picture(screen: &Screen, now: Instant) -> anyhow::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(COLUMNS, view::lines(screen)))?;
    terminal.draw(|frame| view::draw(frame, screen, now))?;
    let buffer = terminal.backend().buffer();
    let line = |y: u16| -> String {
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        line.trim_end().to_owned()
    };
    Ok((0..buffer.area.height).map(line).collect::<Vec<_>>().join("\n"))
}

/// Until `q`.
fn live(door: Door) -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() {
        bail!("standard output is no terminal; take --once for text or --json for data");
    }
    // One waits at most: whoever looks away for long sees the newest but one, then the newest.
    let (sender, seen) = sync_channel(1);
    let url = door.url.clone();
    thread::Builder::new().name("top".to_owned()).spawn(move || ask(&door, &sender)).context("no thread to spare")?;
    let mut terminal = ratatui::try_init().context("the terminal cannot be drawn on; take --once")?;
    let outcome = show(&mut terminal, Screen::new(url), &seen);
    ratatui::restore();
    outcome
}

/// Asks until nobody listens any more.
fn ask(door: &Door, sender: &SyncSender<Seen>) {
    let mut polling = Polling::new(EVERY);
    loop {
        let seen = door.snapshot();
        let pause = polling.next_delay(seen.is_ok());
        if sender.send(seen).is_err() {
            return;
        }
        thread::sleep(pause);
    }
}

fn show(terminal: &mut ratatui::DefaultTerminal, mut screen: Screen, seen: &Receiver<Seen>) -> anyhow::Result<()> {
    loop {
        let now = Instant::now();
        terminal.draw(|frame| view::draw(frame, &screen, now))?;
        while event::poll(Duration::ZERO)? {
            let Event::Key(key) = event::read()? else { continue };
            let interrupted = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if interrupted || key.kind == KeyEventKind::Press && !screen.press(key.code) {
                return Ok(());
            }
        }
        match seen.recv_timeout(KEYS_EVERY) {
            Ok(news) => screen.saw(news, Instant::now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the thread that asks the server has ended"),
        }
    }
}
