//! `genims top` in a terminal of 80 columns and 24 lines that another program draws (tmux, as over ssh): what it shows, its keys, how
//! it leaves the terminal, and what it costs.

use crate::harness::Harness;
use crate::running::{eventually, goes_on};
use crate::server::{PATIENCE, Plant, Setup};
use crate::stream::send;
use genims_dev::Server;
use libtest_mimic::Trial;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// As `top` is looked at before its cost is told.
const LOOKED_AT: Duration = Duration::from_secs(5);
/// What Linux counts a process's time in, whatever the kernel's own ticks are.
const TICKS_PER_SECOND: f64 = 100.0;
/// What the terminal is like behind it stays to be read.
const AND_THEN: &str = "\"$0\" --config genims.toml top; echo \"ended with $?\"; stty -a; exec sleep 1000";

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("top::keys_sort_choose_open_and_quit_in_a_terminal", in_a_terminal)]
}

/// A terminal of its own, ended with the test.
struct Screen {
    socket: String,
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).stderr(Stdio::null()).status();
    }
}

impl Screen {
    fn open(harness: &Harness, plant: &Plant) -> Self {
        let screen = Self { socket: format!("{}-{}", harness.unique("genims-top"), std::process::id()) };
        let folder = plant.folder.display().to_string();
        let shell = ["sh", "-c", AND_THEN, env!("CARGO_BIN_EXE_genims")];
        let session = ["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", &folder];
        let opened = screen.tmux(&[&session[..], &shell].concat()).status().unwrap();
        assert!(opened.success(), "tmux: {opened}");
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        // Whatever the locale of whoever runs the tests.
        command.args(["-u", "-L", &self.socket]).args(arguments).env_remove("TMUX").stdin(Stdio::null());
        command
    }

    fn asked(&self, arguments: &[&str]) -> String {
        let output = self.tmux(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.asked(&["capture-pane", "-p"]).lines().map(str::to_owned).collect()
    }

    fn press(&self, key: &str) {
        self.asked(&["send-keys", key]);
    }

    /// Waits until the terminal shows it; the lines of then.
    #[track_caller]
    fn shows(&self, what: &str, is_there: impl Fn(&[String]) -> bool) -> Vec<String> {
        goes_on(what, PATIENCE, || Some(self.lines()).filter(|lines| !is_there(lines)));
        self.lines()
    }

    /// Seconds of a core that the program has taken.
    fn seconds(&self) -> f64 {
        let shell = self.asked(&["list-panes", "-F", "#{pane_pid}"]);
        let shell = shell.trim();
        let child = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap();
        assert!(stat.contains("(genims)"), "{stat}");
        // Behind the name, which may have blanks: the state is the third field, times are the 14th and the 15th.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        ticks as f64 / TICKS_PER_SECOND
    }
}

/// The sinks in the order of the table.
fn sinks(lines: &[String]) -> Vec<&str> {
    lines.iter().filter(|line| line.starts_with("sink/")).filter_map(|line| line.split(' ').next()).collect()
}

fn is_of(lines: &[String], flow: &str) -> bool {
    lines.get(6).is_some_and(|line| line.trim_end() == flow)
}

fn in_a_terminal(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let message = |value: &str| (plant.sensor().topic(), value.to_owned());
    send(harness, &plant, &[message("1.5"), message("hot")]);
    plant.idle();
    let screen = Screen::open(harness, &plant);
    let lines = screen.shows("the numbers", |lines| lines.iter().any(|line| line.contains("1 stored +")));
    assert_eq!(lines.len(), 24, "{lines:#?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    assert!(lines[0].starts_with("GenIMS ") && lines[0].contains(" ready"), "{lines:#?}");
    assert!(lines[1].starts_with("stored ") && lines[2].starts_with("log "), "{lines:#?}");
    assert!(lines[4].starts_with("set aside: "), "{lines:#?}");
    assert!(lines[6].starts_with("FLOW") && lines[6].contains("QUARANT."), "{lines:#?}");
    assert!(lines[23].contains("q quit"), "{lines:#?}");
    costs_little(&screen);
    sorts_and_opens(harness, &plant, &screen);

    screen.press("q");
    let lines = screen.shows("the shell behind it", |lines| lines.iter().any(|line| line.contains("icanon")));
    let told = lines.join(" ");
    assert!(told.contains("ended with 0"), "{told}");
    // Lines are edited and shown again, and nothing of the picture is left.
    assert!(!told.contains("-icanon") && !told.contains("-echo ") && !told.contains("FLOW"), "{told}");
    assert_eq!(screen.asked(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]).trim(), "0 1");
}

/// Its share of a core, while nobody presses a key; how much that is, is up to the machine and the build.
fn costs_little(screen: &Screen) {
    let (before, begun) = (screen.seconds(), Instant::now());
    std::thread::sleep(LOOKED_AT);
    let (seconds, over) = (screen.seconds() - before, begun.elapsed().as_secs_f64());
    let build = if cfg!(debug_assertions) { "a debug build" } else { "a release build" };
    println!("genims top at 1 Hz took {:.1} % of a core over {over:.1} s, as {build}", seconds / over * 100.0);
}

fn sorts_and_opens(harness: &Harness, plant: &Plant, screen: &Screen) {
    plant.stack.stop_server(Server::Postgres).unwrap();
    send(harness, plant, &[(plant.sensor().topic(), "2.5".to_owned())]);
    let (postgres, mongodb) = ("sink/postgres", "sink/mongodb");
    let troubled = |lines: &[String]| {
        let away = |line: &String| line.starts_with(postgres) && line.contains("retrying");
        lines.iter().any(away) && sinks(lines) == [postgres, mongodb]
    };
    screen.shows("what is troubled comes first", troubled);
    screen.press("n");
    screen.shows("by name", |lines| sinks(lines) == [mongodb, postgres]);
    screen.press("p");
    screen.shows("what waits most comes first", |lines| sinks(lines) == [postgres, mongodb]);
    screen.press("n");
    screen.shows("by name again", |lines| sinks(lines) == [mongodb, postgres]);
    let before = screen.lines().iter().position(|line| line.starts_with(postgres)).unwrap();
    let first = screen.lines().iter().position(|line| line.starts_with("FLOW")).unwrap() + 1;
    (first..before).for_each(|_| screen.press("Down"));
    screen.press("Enter");
    let lines = screen.shows("the chosen one", |lines| is_of(lines, postgres));
    let has = |name: &str, part: &str| lines.iter().any(|line| line.starts_with(name) && line.contains(part));
    assert!(has("state", "retrying") && has("pending", "the oldest") && has("last error", ""), "{lines:#?}");
    screen.press("Escape");
    screen.shows("the table again", |lines| sinks(lines) == [mongodb, postgres]);
    screen.press("t");
    screen.shows("who sends most", |lines| lines.get(6).is_some_and(|line| line.starts_with("CLIENT")));
    screen.press("t");
    screen.shows("back from them", |lines| sinks(lines) == [mongodb, postgres]);
    plant.stack.start_server(Server::Postgres).unwrap();
    let followed = |lines: &[String]| lines.iter().any(|line| line.starts_with(postgres) && line.contains("following"));
    eventually("it follows again", 3 * PATIENCE, || followed(&screen.lines()));
}
