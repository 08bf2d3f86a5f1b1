//! What `genims top` takes of a core while it draws once a second, in a terminal of 80 columns and 24 lines that `script` lends.

use super::figure::{Bound, Figure, Promise};
use super::lab::{Lab, Load, Setup};
use crate::bench::{POLL, READY_WAIT, announce};
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PLAN: &str = "demo.toml";
const LOOKED_AT: Duration = Duration::from_secs(30);
/// Longer than it is looked at, with what comes before and after.
const LOAD_SECONDS: &str = "40";
const END_WAIT: Duration = Duration::from_secs(5);
/// What Linux counts a process's time in, whatever the kernel's own ticks are.
const TICKS_PER_SECOND: f64 = 100.0;
/// Its own pid is the program's then. Without a terminal of its own `script` makes one without a size, on which nothing is drawn.
const IN_A_TERMINAL: &str =
    "echo $$ > \"$FIGURES_PID\"; stty rows 24 cols 80; exec \"$FIGURES_TOP\" top --url \"$FIGURES_URL\"";
/// A picture has more; what a program says that cannot draw has fewer.
const DRAWN_BYTES_MIN: u64 = 2_000;

const TOP: Promise =
    Promise { name: "top", what: "genims top at 1 Hz takes of a core", unit: "%", bound: Bound::AtMost(1.0) };

pub(super) fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Figure>> {
    lab.serve(Setup::Shipped)?;
    announce(&format!("genims top for {} s", LOOKED_AT.as_secs()));
    let arguments = ["--seconds", LOAD_SECONDS];
    let load = Load { name: "top".to_owned(), plan: PLAN, arguments: &arguments, is_judged: true };
    // So that there is something new to draw each second.
    let shared = &*lab;
    let (share, report) = thread::scope(|scope| {
        let loading = scope.spawn(|| shared.load(&load));
        let share = share_percent(shared);
        (share, loading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (share, _) = (share?, report?);
    lab.quiet()?;
    lab.bench.stop_server();
    let settings = format!(
        "utime + stime of /proc/PID/stat over {} s, 80 x 24, beside config/loadtest/{PLAN}; a tick is {:.2} %",
        LOOKED_AT.as_secs(),
        100.0 / TICKS_PER_SECOND / LOOKED_AT.as_secs_f64()
    );
    Ok(vec![Figure::new(TOP, vec![share], settings)])
}

fn share_percent(lab: &Lab) -> anyhow::Result<f64> {
    let [pid_file, picture] = ["top.pid", "top.picture"].map(|name| lab.bench.folder().join(name));
    // One of an earlier round names a process that is not ours.
    let _ = fs::remove_file(&pid_file);
    let program = lab.bench.genims(&[]).get_program().to_owned();
    let drawn = File::create(&picture).with_context(|| format!("{} cannot be written", picture.display()))?;
    let mut script = Command::new("script");
    script.args(["--quiet", "--flush", "--return", "--command", IN_A_TERMINAL, "/dev/null"]);
    script
        .current_dir(lab.bench.folder())
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm-256color")
        .env("FIGURES_PID", &pid_file);
    script.env("FIGURES_TOP", program).env("FIGURES_URL", format!("http://{}", lab.bench.addresses.http));
    // A pipe that says nothing: at the end of its input `script` would end the terminal.
    let child = script.stdin(Stdio::piped()).stdout(drawn).stderr(Stdio::null()).spawn();
    let mut terminal = Terminal(child.context("script (Debian: bsdutils) cannot run")?);
    let pid = terminal.program(&pid_file)?;
    // Starting is not what is measured.
    thread::sleep(Duration::from_secs(2));
    let (before, begun) = (seconds(pid)?, Instant::now());
    thread::sleep(LOOKED_AT);
    let (taken, over) = (seconds(pid)? - before, begun.elapsed().as_secs_f64());
    drop(terminal);
    let bytes = fs::metadata(&picture).with_context(|| format!("{} is gone", picture.display()))?.len();
    if bytes < DRAWN_BYTES_MIN {
        bail!("genims top drew {bytes} bytes: {}", picture.display());
    }
    Ok(taken / over * 100.0)
}

/// Ended with what runs in it.
struct Terminal(Child);

impl Terminal {
    /// Waits until the shell has become the program.
    fn program(&mut self, pid_file: &Path) -> anyhow::Result<u32> {
        let deadline = Instant::now() + READY_WAIT;
        loop {
            let pid: Option<u32> = fs::read_to_string(pid_file).ok().and_then(|text| text.trim().parse().ok());
            if let Some(pid) = pid.filter(|pid| stat(*pid).is_ok_and(|stat| stat.contains("(genims)"))) {
                return Ok(pid);
            }
            if Instant::now() > deadline || !matches!(self.0.try_wait(), Ok(None)) {
                bail!("genims top did not start in a terminal");
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // `script` ends what it started when it is told to end; that it has ended already is as good.
        if let Some(pid) = Pid::from_raw(self.0.id() as i32) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + END_WAIT;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        // Without its terminal the program ends as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stat(pid: u32) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/stat");
    fs::read_to_string(&path).with_context(|| format!("{path} cannot be read: genims top has ended"))
}

fn seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = stat(pid)?;
    ticks(&stat).map(|ticks| ticks as f64 / TICKS_PER_SECOND).with_context(|| format!("no times in {stat}"))
}

/// Behind the name, which may have blanks: the state is the third field, times are the 14th and the 15th.
fn ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    fields.get(11..13)?.iter().map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_the_program_and_in_the_kernel_is_added_up() {
        let stat = "4711 (genims (x) y) S 1 2 3 4 5 6 7 8 9 10 1200 34 5 6 20 0";
        assert_eq!(ticks(stat), Some(1_234));
        assert_eq!(ticks("4711 (genims) S 1 2"), None);
    }
}
