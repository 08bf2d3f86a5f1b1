//! A thread that panics has found an invariant broken. The others must not go on as if nothing had happened, with a shard
//! or a sink missing: the first panic of any thread, caught or not, ends the server in order.
//!
//! Enters: the panics of all threads. Leaves: the first one's message, for [`Panics::first`].

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
            watcher.note(panicked);
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
    use genims_model::{Accounts, Outcome};

    #[tokio::test]
    async fn the_panic_of_any_thread_is_told_once_with_its_cause() {
        let panics = Panics::watch();
        let overdraw = || {
            let accounts = Accounts::new(["mqtt".to_owned()]);
            accounts.finished(0, Outcome::Committed, 1);
        };
        let thread = std::thread::Builder::new().name("shard-7".to_owned()).spawn(overdraw).expect("a thread");
        let told = tokio::time::timeout(std::time::Duration::from_secs(10), panics.first()).await.expect("told");
        assert!(thread.join().is_err());
        assert!(told.contains("shard-7") && told.contains("only 0 are in flight"), "{told}");
        // Also one that a task set would swallow.
        assert!(tokio::spawn(async { panic!("a later one") }).await.is_err());
        assert_eq!(panics.seen(), Some(told.as_str()));
    }
}
