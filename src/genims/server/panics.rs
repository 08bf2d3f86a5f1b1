//! A thread that panics has found an invariant broken. The others must not go on as if nothing had happened, with a shard
//! missing: the first panic of any thread, caught or not, ends the server in order. Only what a supervisor starts anew
//! (a sink, a delivery of changes) ends alone, unless what broke concerns everybody: see [`genims_model::panics`].
//!
//! Enters: the panics of all threads. Leaves: the first one's message, for [`Panics::first`].

use genims_model::panics::is_contained;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// What the hook and its watchers share. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Panics {
    first: Arc<OnceLock<String>>,
    seen: Arc<Notify>,
}

impl Panics {
    /// Watches from here on, for the life of the process; the earlier hook still prints.
    pub fn watch() -> Self {
        let panics = Self::default();
        let (watcher, print) = (panics.clone(), panic::take_hook());
        panic::set_hook(Box::new(move |panicked| {
            print(panicked);
            if !is_contained() {
                watcher.note(panicked);
            }
        }));
        panics
    }

    fn note(&self, panicked: &PanicHookInfo<'_>) {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        let message = panicked.payload_as_str().unwrap_or("without a message");
        let place = panicked.location().map_or_else(String::new, |location| format!(" at {location}"));
        if self.first.set(format!("the thread {name} has panicked{place}: {message}")).is_ok() {
            self.seen.notify_one();
        }
    }

    /// The first panic so far.
    pub fn seen(&self) -> Option<&str> {
        self.first.get().map(String::as_str)
    }

    /// Resolves with the first panic. For one watcher; cancel-safe.
    pub async fn first(&self) -> String {
        loop {
            if let Some(first) = self.seen() {
                return first.to_owned();
            }
            self.seen.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_consumers::supervise::supervise;
    use genims_model::{Accounts, RecordOutcome};
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio_util::sync::CancellationToken;

    fn overdraw(name: &str) {
        Accounts::new([name.to_owned()]).finished(0, RecordOutcome::Committed, 1);
    }

    /// One test, for a process has one hook.
    #[tokio::test]
    async fn a_panic_is_told_once_with_its_cause_unless_it_ends_only_what_is_started_anew() {
        let panics = Panics::watch();
        let (stop, starts) = (CancellationToken::new(), AtomicU32::new(0));
        let start = |stop: CancellationToken| {
            let begun = starts.fetch_add(1, Ordering::Relaxed);
            async move {
                match begun {
                    0 => panic!("a defect of a sink"),
                    1 => overdraw("line"),
                    _ => stop.cancel(),
                }
                Ok(())
            }
        };
        supervise("fake", Arc::default(), start, stop.clone()).await;
        assert_eq!(starts.load(Ordering::Relaxed), 3, "both were started anew");
        let told = panics.first().await;
        assert!(told.contains("1 records of line") && told.contains("only 0 are in flight"), "{told}");

        let panics = Panics::watch();
        let thread = std::thread::Builder::new().name("shard-7".to_owned()).spawn(|| overdraw("mqtt"));
        assert!(thread.expect("a thread").join().is_err());
        let told = panics.first().await;
        assert!(told.contains("shard-7") && told.contains("1 records of mqtt"), "{told}");
        // Also one that a task set would swallow.
        assert!(tokio::spawn(async { panic!("a later one") }).await.is_err());
        assert_eq!(panics.seen(), Some(told.as_str()));
    }
}
