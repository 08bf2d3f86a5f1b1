//! `genims top`: the server's snapshot in a terminal, once a second, over HTTP. Nothing but the HTTP side is needed, so it runs
//! wherever that can be reached. A server that is away is shown as such, and asked again; nothing is kept but the last snapshot.

mod screen;
mod view;

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
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

const EVERY: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(5);
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

/// Where the server's HTTP side is, and what is shown there.
struct Door {
    agent: ureq::Agent,
    url: String,
    /// Of a user, where users sign in.
    token: Option<String>,
}

/// `http` is what the configuration says of the HTTP side.
pub(crate) async fn run(
    args: TopArgs,
    environment: &Environment,
    http: impl FnOnce() -> anyhow::Result<HttpOptions>,
) -> anyhow::Result<ExitCode> {
    let url = match &args.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let http = http()?;
            let scheme = if http.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}", super::reachable(http.listen))
        }
    };
    let door = Door { agent: agent(&url)?, url, token: environment.secret("GENIMS_TOKEN")? };
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
    match snapshot(door) {
        Ok(snapshot) => Ok(snapshot),
        Err(cause) => bail!("{cause}; start `genims serve`, or name its HTTP side with --url"),
    }
}

/// Over TLS it trusts whom the operating system trusts, or those that SSL_CERT_FILE names.
fn agent(url: &str) -> anyhow::Result<ureq::Agent> {
    let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX));
    if !url.starts_with("https:") {
        return Ok(config.build().into());
    }
    if let Some(problem) = genims_databases::roots::variable_problem() {
        bail!("{problem}");
    }
    let found = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<_> = found.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(config.tls_config(tls.build()).build().into())
}

fn snapshot(Door { agent, url, token }: &Door) -> Seen {
    let ask = || -> Result<ServerSnapshot, ureq::Error> {
        let mut request = agent.get(format!("{url}/api/v1/snapshot"));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call()?.body_mut().read_json()
    };
    ask().map_err(|error| match error {
        ureq::Error::StatusCode(401) => format!("{url}: asks for a token in GENIMS_TOKEN: `genims user token NAME`"),
        error if url.starts_with("https:") && error.to_string().contains("certificate") => {
            format!("{url}: {error}; let SSL_CERT_FILE name a PEM file with the authority's certificate")
        }
        error => format!("{url}: {error}"),
    })
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
        let seen = snapshot(door);
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
