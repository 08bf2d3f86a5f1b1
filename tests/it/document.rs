//! A document whose commands are run as they stand there. Enters: its text, what is done with each piece, what happens before
//! some of them. Leaves: every command line run, with the exit code that a reader expects and the output that the document
//! shows, or left out for a reason that stands in its table.
//!
//! Only where things are is put in: ports, URLs, folders. A line that the table does not know fails the test, and so does an
//! entry of the table that the document has no more.
//!
//! - Commands stand in fences, or indented by four blanks; a fence `text` shows what the command before it says, line by
//!   line, with `...` for what differs each time.
//! - A remark that begins with "exit code 1" says that the command ends so here.

use crate::harness::{Harness, PrivateStack, write_env};
use crate::platform::Platform;
use crate::powercut::mount::Mounted;
use crate::running::{Running, eventually};
use crate::server::{PATIENCE, free_addresses};
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long what takes its time may take, on a machine with much else to do.
const WATCHED: Duration = Duration::from_secs(180);

pub(crate) type Deed = fn(&mut Reader<'_>);

/// What is done with a piece.
pub(crate) enum How {
    /// Not run, because ...
    Skip(&'static str),
    /// Run to its end; then this must be true.
    Run(fn(&Reader<'_>) -> bool),
    /// A look at what takes its time: repeated until it says what the document shows.
    Watch,
    /// Left running until all is done.
    Serve,
    /// Statements for this database.
    Sql(&'static str, fn(&Reader<'_>) -> bool),
    /// Added to the configuration, which must be valid with it.
    Configuration,
    /// What the machine of a reader does so, and this one in another way.
    Act(Deed),
}

/// Nothing more must be true.
pub(crate) const ALSO: fn(&Reader<'_>) -> bool = |_| true;

pub(crate) struct Document {
    pub(crate) text: &'static str,
    /// By how a piece begins; the first that fits.
    pub(crate) table: &'static [(&'static str, How)],
    /// What happens before: by the heading of a section, or by how a piece begins.
    pub(crate) before: &'static [(&'static str, Deed)],
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The headings above: `## A`, `### B`.
    pub(crate) chapter: String,
    pub(crate) section: String,
    pub(crate) text: String,
    /// What it says.
    pub(crate) shown: Vec<String>,
    /// It ends with exit code 1.
    pub(crate) fails: bool,
}

/// Command lines, statements and configuration, in the order of the text: a line is one piece, but what belongs together
/// (open quotes, a transaction, a table of the configuration, a here document) is one piece as well. Remarks are left out.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut fence, mut goes_on) = (None, false);
    let (mut chapter, mut section) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(kind) };
            goes_on = false;
            continue;
        }
        if fence.is_none() && line.starts_with("## ") {
            (chapter, section) = (line.to_owned(), String::new());
        } else if fence.is_none() && line.starts_with("### ") {
            line.clone_into(&mut section);
        }
        if fence == Some("text") {
            let before = pieces.last_mut().filter(|piece| piece.section == section);
            before.unwrap_or_else(|| panic!("no command says {line}")).shown.push(line.trim().to_owned());
            continue;
        }
        let command = match fence {
            Some(_) => Some(line),
            None => line.strip_prefix("    "),
        };
        let Some((command, remark)) = command.map(|line| line.split_once("  # ").unwrap_or((line, ""))) else {
            goes_on = false;
            continue;
        };
        let command = command.trim();
        // A drawing.
        if command.is_empty() || command.contains(['─', '┐', '┘', '│']) {
            continue;
        }
        match pieces.last_mut().filter(|_| goes_on) {
            Some(piece) => write!(piece.text, "\n{command}").unwrap(),
            None => pieces.push(Piece {
                chapter: chapter.clone(),
                section: section.clone(),
                text: command.to_owned(),
                fails: remark.trim().starts_with("exit code 1"),
                ..Piece::default()
            }),
        }
        goes_on = pieces.last().is_some_and(|piece| is_open(&piece.text));
    }
    pieces
}

/// Whether the next line belongs to it.
fn is_open(piece: &str) -> bool {
    let first = piece.lines().next().unwrap_or_default();
    if first.contains("<<'SQL'") {
        return !piece.ends_with("\nSQL");
    }
    piece.starts_with('[')
        || piece.starts_with("BEGIN;")
        || first.matches('\'').count() % 2 == 1 && piece.matches('\'').count() % 2 == 1
}

impl Document {
    pub(crate) fn how(&self, piece: &str) -> Option<&'static How> {
        self.table.iter().find(|(start, _)| piece.starts_with(start)).map(|(_, how)| how)
    }

    /// The table and the document are about the same pieces.
    #[track_caller]
    pub(crate) fn is_known(&self) {
        let there = pieces(self.text);
        let unknown: Vec<&str> =
            there.iter().map(|piece| piece.text.as_str()).filter(|piece| self.how(piece).is_none()).collect();
        assert_eq!(unknown, Vec::<&str>::new(), "let its table know them");
        let is_gone = |start: &str| {
            let is_heading = start.starts_with('#');
            let is_it = |piece: &Piece| if is_heading { piece.section == start } else { piece.text.starts_with(start) };
            !there.iter().any(is_it)
        };
        let starts = self.table.iter().map(|(start, _)| *start).chain(self.before.iter().map(|(start, _)| *start));
        let gone: Vec<&str> = starts.filter(|start| is_gone(start)).collect();
        assert_eq!(gone, Vec::<&str>::new(), "the document has them no more");
    }

    /// Follows it from the first to the last of these pieces; the server ends in order.
    pub(crate) fn follow(&self, reader: &mut Reader<'_>, pieces: &[Piece]) {
        let mut section = String::new();
        for piece in pieces {
            if piece.section != section {
                piece.section.clone_into(&mut section);
                reader.log_from = reader.log().len();
                self.before(reader, |start| start == section);
            }
            self.before(reader, |start| piece.text.starts_with(start));
            let how = self.how(&piece.text).unwrap_or_else(|| panic!("nobody knows how to run {}", piece.text));
            reader.take(piece, how);
        }
        reader.stop();
    }

    fn before(&self, reader: &mut Reader<'_>, is_it: impl Fn(&str) -> bool) {
        self.before.iter().filter(|(start, _)| is_it(start)).for_each(|(_, deed)| deed(reader));
    }
}

/// Whether a line has all parts of what is shown, in their order; how many blanks are between words does not matter.
fn says(line: &str, shown: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line, shown) = (words(line), words(shown));
    let mut rest = line.as_str();
    shown.split("...").map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// Who follows a document, in a folder with a shell.
pub(crate) struct Reader<'a> {
    pub(crate) harness: &'static Harness,
    pub(crate) platform: &'a Platform,
    pub(crate) folder: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) mqtt: SocketAddr,
    /// What the last command printed.
    pub(crate) said: String,
    /// What documents name, and where it is here.
    pub(crate) places: Vec<(String, String)>,
    /// The log of the server is shown from here on.
    pub(crate) log_from: usize,
    pub(crate) server: Option<Running>,
    /// They wait for a server that takes nothing.
    pub(crate) senders: Vec<Running>,
    /// Behind the server, which has files open on it.
    pub(crate) disk: Option<Mounted>,
}

impl Reader<'_> {
    /// `files` are what a reader brings along.
    pub(crate) fn new<'a>(harness: &'static Harness, platform: &'a Platform, files: &[(&str, &str)]) -> Reader<'a> {
        let folder = harness.folder("reader");
        let [http, mqtt, tcp, line] = free_addresses();
        let mut environment = format!(
            "GENIMS_HTTP_LISTEN={http}\nGENIMS_MQTT_LISTEN={mqtt}\nGENIMS_TCP_LISTEN={tcp}\nGENIMS_LINE_LISTEN={line}\n"
        );
        for (name, value) in platform.variables() {
            writeln!(environment, "{name}='{value}'").unwrap();
        }
        std::fs::create_dir(folder.join("config")).unwrap();
        std::fs::copy(shipped_configuration(), folder.join("config/genims.toml")).unwrap();
        write_env(&folder.join(".env"), environment);
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let server = platform.stack.postgres_url("");
        let place = |folder: PathBuf| folder.to_str().unwrap().to_owned();
        let places = [
            // The doctor gives each server 2.5 s an answer, which a machine with other work may need itself.
            ("genims doctor", "genims doctor --timeout 60s".to_owned()),
            ("genims checklist --phase", "genims checklist --timeout 60s --phase".to_owned()),
            ("genims checklist --html", "genims checklist --timeout 60s --html".to_owned()),
            ("-p 1884", format!("-p {}", mqtt.port())),
            ("127.0.0.1:9400", http.to_string()),
            ("postgresql://USER:PASSWORD@HOST:PORT/", server.clone()),
            ("HOST:PORT", server.rsplit('@').next().unwrap().trim_end_matches('/').to_owned()),
            ("/backups", place(folder.join("backups"))),
        ];
        let places = places.map(|(what, place)| (what.to_owned(), place)).to_vec();
        Reader {
            harness,
            platform,
            folder,
            http,
            mqtt,
            said: String::new(),
            places,
            log_from: 0,
            server: None,
            senders: Vec::new(),
            disk: None,
        }
    }

    pub(crate) fn stack(&self) -> &PrivateStack {
        &self.platform.stack
    }

    /// The programs under test come first in the path, and nothing else of the caller's environment is there.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_genims")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", line]).current_dir(&self.folder).env_clear().env("PATH", path);
        command.stdin(Stdio::null());
        command
    }

    /// The same, where things are here.
    fn placed(&self, line: &str) -> String {
        let journal = format!("tail -c +{} genims.log", self.log_from + 1);
        let line = line.replace("journalctl -u genims -o cat", &journal);
        self.places.iter().fold(line, |line, (what, place)| line.replace(what, place))
    }

    #[track_caller]
    pub(crate) fn run(&mut self, line: &str) {
        let (is_well, told) = self.attempt(line, false);
        assert!(is_well, "{told}");
    }

    /// Whether it ended as it should, and all that was said.
    fn attempt(&mut self, line: &str, fails: bool) -> (bool, String) {
        let line = self.placed(line);
        let Output { status, stdout, stderr } = self.shell(&line).output().unwrap();
        self.said = String::from_utf8_lossy(&stdout).into_owned();
        if let Some(secret) = self.said.lines().find_map(|line| line.strip_prefix("secret: ")) {
            let secret = secret.to_owned();
            self.places.retain(|(what, _)| what != "SECRET");
            self.places.push(("SECRET".to_owned(), secret));
        }
        let told = format!("{line}: {status}\n{}\n{}", self.said, String::from_utf8_lossy(&stderr));
        (if fails { status.code() == Some(1) } else { status.success() }, told)
    }

    #[track_caller]
    fn take(&mut self, piece: &Piece, how: &How) {
        match how {
            How::Skip(because) => println!("not run: {}: {because}", piece.text),
            How::Serve => {
                self.start();
                eventually("the server is ready", PATIENCE, || self.answers("/readyz"));
            }
            How::Act(deed) => deed(self),
            How::Configuration => {
                let file = self.folder.join("config/more.toml");
                let text = std::fs::read_to_string(self.folder.join("config/genims.toml")).unwrap();
                std::fs::write(file, text + &piece.text).unwrap();
                self.run("genims --config config/more.toml validate");
            }
            How::Sql(database, true_after) => {
                let url = self.stack().postgres_url(database);
                std::fs::write(self.folder.join("statements.sql"), &piece.text).unwrap();
                self.run(&format!("psql '{url}' -v ON_ERROR_STOP=1 -f statements.sql"));
                assert!(self.said.contains("UPDATE 1") && true_after(self), "{}: {}", piece.text, self.said);
            }
            How::Run(true_after) => {
                self.looks(piece, Duration::ZERO);
                assert!(true_after(self), "{}: {}", piece.text, self.said);
            }
            How::Watch => self.looks(piece, WATCHED),
        }
    }

    /// Within `limit` the piece ends and says what the document shows.
    #[track_caller]
    fn looks(&mut self, piece: &Piece, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let (is_well, told) = self.attempt(&piece.text, piece.fails);
            let shown = piece.shown.iter().map(|shown| self.placed(shown));
            let unsaid: Vec<String> = shown.filter(|shown| !told.lines().any(|line| says(line, shown))).collect();
            if is_well && unsaid.is_empty() {
                return;
            }
            let place = format!("{} / {}", piece.chapter, piece.section);
            assert!(Instant::now() < deadline, "{place}: ends well: {is_well}, not said: {unsaid:#?}\n{told}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    pub(crate) fn answers(&self, path: &str) -> bool {
        ureq::get(format!("http://{}{path}", self.http)).call().is_ok()
    }

    pub(crate) fn stats(&self) -> Option<Value> {
        let mut response = ureq::get(format!("http://{}/stats", self.http)).call().ok()?;
        serde_json::from_str(&response.body_mut().read_to_string().ok()?).ok()
    }

    /// What the server has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("genims.log")).unwrap_or_default()
    }

    /// Until it is alive: it may have no room, or wait for somebody.
    pub(crate) fn start(&mut self) {
        let server = self.harness.spawn(&["serve"], &self.folder);
        eventually("the server is alive", PATIENCE, || {
            assert!(server.wait(Duration::ZERO).is_none(), "it has ended:\n{}", server.log_text());
            self.answers("/healthz")
        });
        self.server = Some(server);
    }

    /// In order, if it runs.
    pub(crate) fn stop(&mut self) {
        let Some(server) = self.server.take() else { return };
        server.terminate();
        let status = server.wait(PATIENCE).unwrap_or_else(|| panic!("it does not end:\n{}", server.log_text()));
        assert!(status.success(), "{status}:\n{}", server.log_text());
    }

    pub(crate) fn number(&self, database: &str, query: &str) -> i64 {
        self.harness.block_on(async {
            let client = crate::harness::connect_postgres(&self.stack().postgres_url(database)).await;
            client.query_one(query, &[]).await.unwrap().get(0)
        })
    }

    pub(crate) fn entries(&self, folder: &str) -> usize {
        std::fs::read_dir(self.folder.join(folder)).unwrap().count()
    }
}

pub(crate) fn shipped_configuration() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/genims.toml")
}

pub(crate) fn what_a_document_is_made_of() {
    let text = "## A\ntext\n    genims fly  # away\n\n### B\n```sh\ngenims swim  # exit code 1 in sand\n```\n```text\nit ... wet\n```\n    psql -c 'a\n      \
                b'\n    BEGIN;\n    COMMIT;\n\n    psql <<'SQL'\n    a\n    SQL\n    ls\n```\nA ── B\n```\n";
    let found = pieces(text);
    let texts: Vec<&str> = found.iter().map(|piece| piece.text.as_str()).collect();
    assert_eq!(texts, ["genims fly", "genims swim", "psql -c 'a\nb'", "BEGIN;\nCOMMIT;", "psql <<'SQL'\na\nSQL", "ls"]);
    let [fly, swim, ..] = &found[..] else { panic!("{found:?}") };
    assert_eq!((fly.chapter.as_str(), fly.section.as_str(), fly.fails), ("## A", "", false));
    assert_eq!((swim.section.as_str(), swim.fails, &swim.shown), ("### B", true, &vec!["it ... wet".to_owned()]));
    assert!(says("now it is very wet", "it ... wet") && says("a   b", "a b") && !says("wet it is", "it ... wet"));
}
