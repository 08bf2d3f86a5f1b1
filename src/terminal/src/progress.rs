//! What a command is doing, while it does it: a bar where standard error is a terminal, else a line every few seconds, so that
//! neither a person nor the log of a pipeline takes it for dead. Whoever is done sooner says nothing.

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(120);

/// Ends what it shows when it is dropped.
pub struct Progress(Shown);

enum Shown {
    Bar(ProgressBar),
    Lines {
        state: Arc<Mutex<State>>,
        /// Ends the thread that writes them.
        _running: Sender<()>,
    },
}

#[derive(Debug, Default)]
struct State {
    what: &'static str,
    unit: &'static str,
    done: u64,
    total: Option<u64>,
    message: String,
}

impl State {
    fn line(&self, seconds: u64) -> String {
        let Self { what, unit, done, total, message } = self;
        let count = match total {
            Some(total) => format!(", {done} of {total} {unit}"),
            None if *done > 0 => format!(", {done} {unit}"),
            None => String::new(),
        };
        let message = if message.is_empty() { String::new() } else { format!(", {message}") };
        format!("{what}: {seconds} s{count}{message}")
    }
}

impl Progress {
    /// `what` is the command; `unit`, in the plural, what it counts, empty if nothing.
    pub fn new(what: &'static str, unit: &'static str) -> Self {
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner().with_prefix(unit);
            let count = if unit.is_empty() { "" } else { "{pos} {prefix} " };
            if let Ok(style) = ProgressStyle::with_template(&format!("{{spinner}} {{elapsed:>4}} {count}{{wide_msg}}"))
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            return Self(Shown::Bar(bar));
        }
        Self(Self::lines(what, unit, LINE_EVERY, |line| eprintln!("{line}")))
    }

    fn lines(
        what: &'static str,
        unit: &'static str,
        every: Duration,
        write: impl Fn(String) + Send + 'static,
    ) -> Shown {
        let state = Arc::new(Mutex::new(State { what, unit, ..State::default() }));
        let (running, ended) = mpsc::channel::<()>();
        let (shown, began) = (state.clone(), Instant::now());
        let writing = thread::Builder::new().name("progress".to_owned()).spawn(move || {
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                write(shown.lock().line(began.elapsed().as_secs()));
            }
        });
        // Without a thread to spare the command says nothing and is none the worse.
        drop(writing);
        Shown::Lines { state, _running: running }
    }

    /// How much there is in all.
    pub fn set_total(&self, total: u64) {
        match &self.0 {
            Shown::Bar(bar) => {
                bar.set_length(total);
                let template = "{elapsed:>4} {bar:30} {human_pos:>4}/{human_len} {prefix} {wide_msg}";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style);
                }
            }
            Shown::Lines { state, .. } => state.lock().total = Some(total),
        }
    }

    pub fn set_done(&self, done: u64) {
        match &self.0 {
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines { state, .. } => state.lock().done = done,
        }
    }

    /// One more is done.
    pub fn advance(&self) {
        match &self.0 {
            Shown::Bar(bar) => bar.inc(1),
            Shown::Lines { state, .. } => state.lock().done += 1,
        }
    }

    /// What it is at.
    pub fn show(&self, message: impl Into<String>) {
        let message: String = message.into();
        match &self.0 {
            Shown::Bar(bar) => bar.set_message(message),
            Shown::Lines { state, .. } => state.lock().message = message,
        }
    }

    /// A line that stays on a terminal, above the bar; elsewhere the result has it.
    pub fn keep(&self, line: &str) {
        if let Shown::Bar(bar) = &self.0 {
            bar.println(line);
        }
    }

    /// Lets something else be written meanwhile.
    pub fn suspend(&self, write: impl FnOnce()) {
        match &self.0 {
            Shown::Bar(bar) => bar.suspend(write),
            Shown::Lines { .. } => write(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_time_count_and_what_it_is_at() {
        let mut state = State { what: "seed", unit: "tables", ..State::default() };
        assert_eq!(state.line(5), "seed: 5 s");
        (state.done, state.message) = (12, "hr.employees".to_owned());
        assert_eq!(state.line(10), "seed: 10 s, 12 tables, hr.employees");
        state.total = Some(440);
        assert_eq!(state.line(10), "seed: 10 s, 12 of 440 tables, hr.employees");
    }

    #[test]
    fn lines_come_without_anybody_s_doing_and_end_with_it() {
        let (sender, lines) = mpsc::channel();
        let write = move |line| drop(sender.send(line));
        let progress = Progress(Progress::lines("verify", "rules", Duration::from_millis(1), write));
        progress.set_total(2);
        progress.advance();
        while !lines.recv().expect("lines keep coming").ends_with("1 of 2 rules") {}
        drop(progress);
        // The thread ends, and with it the sender.
        while lines.recv().is_ok() {}
    }
}
