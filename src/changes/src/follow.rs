//! The loop that takes the changes of one database to one target: look, deliver, move the position, delete what all have.
//!
//! Invariants: a target that fails waits alone; between two looks nothing is held; a loop ends only when it is told to, whatever
//! fails in it.

use crate::entry::Ends;
use crate::error::ChangesError;
use crate::heads::Heads;
use crate::metrics::{Metrics, State};
use crate::outbox::{Outbox, OutboxPosition, OutboxWindow};
use crate::stream::Stream;
use crate::trail::Trail;
use genims_databases::DatabaseError;
use genims_model::{Polling, panics};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often an outbox is looked at. Waking by NOTIFY would take a lock of the whole server at every commit.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// An outbox that takes longer to answer hangs; the connection is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names of the targets, in `change_positions` and wherever they are shown.
pub const TRAIL: &str = "audit";
pub const STREAM: &str = "stream";

/// Where changes go.
pub enum ChangeTarget {
    Trail(Box<Trail>, Arc<Heads>),
    Stream(Box<Stream>),
}

pub struct OutboxFollower {
    pub outbox: Arc<Outbox>,
    pub target: ChangeTarget,
    pub metrics: Arc<Metrics>,
    position: Option<OutboxPosition>,
}

impl ChangeTarget {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Trail(..) => TRAIL,
            Self::Stream(_) => STREAM,
        }
    }
}

impl OutboxFollower {
    pub fn new(outbox: Arc<Outbox>, target: ChangeTarget) -> Self {
        Self { outbox, target, metrics: Arc::default(), position: None }
    }

    /// Until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut polling = Polling::new(LOOK_EVERY);
        loop {
            // What a panic left half-done is given up with the connections.
            let looked = panics::contain(self.look(&stop)).await;
            let succeeded = matches!(looked, Ok(Ok(())));
            if !succeeded {
                self.give_up().await;
            }
            match looked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.failed(&error),
                Err(_) => {
                    self.metrics.failed(State::Retrying, "the delivery panicked; see the log".to_owned());
                }
            }
            if !polling.wait(succeeded, stop.cancelled()).await {
                break;
            }
        }
        if let ChangeTarget::Trail(trail, _) = &mut self.target {
            trail.close().await;
        }
    }

    async fn give_up(&mut self) {
        self.position = None;
        if let ChangeTarget::Trail(trail, _) = &mut self.target {
            trail.close().await;
        }
    }

    fn failed(&self, error: &ChangesError) {
        let state = if is_absent(error) { State::Absent } else { State::Retrying };
        if self.metrics.failed(state, error.to_string()) {
            let (database, target) = (self.outbox.database(), self.target.name());
            if state == State::Absent {
                tracing::debug!(database, target, %error, "no changes to deliver");
            } else {
                tracing::warn!(database, target, %error, "changes wait; they are delivered when it can be done");
            }
        }
    }

    /// Delivers everything that is there now.
    async fn look(&mut self, stop: &CancellationToken) -> Result<(), ChangesError> {
        let outbox = self.outbox.clone();
        let mut position = match self.position.take() {
            Some(position) => position,
            None => {
                let position = within(&outbox, outbox.position(self.target.name())).await?;
                within(&outbox, outbox.prune_all()).await?;
                position
            }
        };
        if position.window.is_none() {
            let waiting = within(&outbox, outbox.waiting(&position.done)).await?;
            self.metrics.found(waiting.rows, waiting.oldest);
            position.window = (waiting.rows > 0).then_some(waiting.window);
        }
        self.target.open().await?;
        while let Some(window) = &mut position.window {
            let batch = within(&outbox, outbox.batch(&position.done, window)).await?;
            let rows = batch.len() as u64;
            let is_complete = batch.last().is_none_or(|last| last.id == window.id_max);
            if let Some(last) = batch.last() {
                window.id = last.id;
            }
            if rows > 0 {
                // The outbox may have taken longer than a session may rest.
                self.target.open().await?;
                self.target.deliver(batch).await?;
            }
            let before = position.clone();
            if is_complete {
                position = complete(position);
                self.target.window_is_complete();
            }
            within(&outbox, outbox.advance(self.target.name(), &position)).await?;
            self.metrics.delivered(rows);
            if let Some(window) = before.window.as_ref().filter(|_| is_complete) {
                self.metrics.found(0, None);
                within(&outbox, outbox.prune(&before.done, window)).await?;
            }
            if stop.is_cancelled() {
                break;
            }
        }
        self.metrics.follows();
        self.position = Some(position);
        Ok(())
    }
}

/// The target has what the window saw.
fn complete(position: OutboxPosition) -> OutboxPosition {
    let done = position.window.map_or(position.done, |OutboxWindow { seen, .. }| seen);
    OutboxPosition { done, window: None }
}

/// What an outbox is asked, bounded.
async fn within<T>(outbox: &Outbox, asked: impl Future<Output = Result<T, ChangesError>>) -> Result<T, ChangesError> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer,
        Err(_) => {
            outbox.disconnect().await;
            let (database, seconds) = (outbox.database().to_owned(), PATIENCE.as_secs());
            Err(ChangesError::Hung { database, what: "its outbox", seconds })
        }
    }
}

fn is_absent(error: &ChangesError) -> bool {
    match error {
        ChangesError::NoOutbox { .. } => true,
        ChangesError::Database(DatabaseError::Postgres { source, .. }) => {
            // invalid_catalog_name
            source.code().is_some_and(|state| state.code() == "3D000")
        }
        _ => false,
    }
}

impl ChangeTarget {
    async fn open(&mut self) -> Result<(), ChangesError> {
        let Self::Trail(trail, heads) = self else { return Ok(()) };
        let Some(ends) = trail.open().await? else { return Ok(()) };
        let database = trail.database().to_owned();
        if let Some(head) = heads.of(&database) {
            let found = trail.hashes_at(&head.ends).await?;
            if !agrees(&head.ends, &found) {
                heads.broken(&database, &head.ends, &ends);
            }
        }
        heads.set(&database, &ends);
        Ok(())
    }

    async fn deliver(&mut self, batch: Vec<crate::change::Change>) -> Result<(), ChangesError> {
        match self {
            Self::Trail(trail, heads) => {
                let ends = trail.deliver(batch).await?;
                heads.set(trail.database(), &ends);
                Ok(())
            }
            Self::Stream(stream) => stream.deliver(batch).await,
        }
    }

    fn window_is_complete(&mut self) {
        match self {
            Self::Trail(trail, _) => trail.window_is_complete(),
            Self::Stream(stream) => stream.window_is_complete(),
        }
    }
}

/// Whether the chains have the head's hashes at the head's positions.
fn agrees(head: &Ends, found: &[Option<String>; 3]) -> bool {
    let ends = [&head.write, &head.change, &head.seal];
    ends.iter().zip(found).all(|(end, found)| end.position == 0 || found.as_ref() == Some(&end.hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::End;

    #[test]
    fn a_complete_window_is_what_has_been_done() {
        let window = OutboxWindow { seen: "9:9:".to_owned(), from: None, id: 4, id_max: 4 };
        let position = OutboxPosition { window: Some(window), ..OutboxPosition::default() };
        assert_eq!(complete(position), OutboxPosition { done: "9:9:".to_owned(), window: None });
    }

    #[test]
    fn a_head_agrees_with_a_chain_that_has_it() {
        let end = End { position: 3, hash: "ab".to_owned() };
        let head = Ends { write: end.clone(), seal: end, ..Ends::default() };
        let hash = |text: &str| Some(text.to_owned());
        assert!(agrees(&head, &[hash("ab"), None, hash("ab")]));
        assert!(!agrees(&head, &[hash("ab"), None, None]));
        assert!(!agrees(&head, &[hash("cd"), None, hash("ab")]));
    }
}
