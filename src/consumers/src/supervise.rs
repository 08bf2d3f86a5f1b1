//! Starts a sink's loop, and starts it again whenever it ends without being asked: an error that no retry inside mends, or
//! a panic. What ended it is shown until the database takes something again. A sink whose database has another history than
//! the log stays ended.

use crate::follow::error_text;
use crate::metrics::SinkMetrics;
use genims_model::{Backoff, panics};
use genims_stores::SinkError;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A loop that ran this long has done its work; the next pause is short again.
const SOUND_AFTER: Duration = Duration::from_secs(60);

/// Runs what `start` makes, again and again, until `shutdown` is cancelled.
pub async fn supervise<F>(
    name: &str,
    metrics: Arc<SinkMetrics>,
    mut start: impl FnMut(CancellationToken) -> F,
    shutdown: CancellationToken,
) where
    F: Future<Output = Result<(), SinkError>>,
{
    let mut backoff = Backoff::default();
    let mut said = None;
    loop {
        let begun = Instant::now();
        // Nothing that the loop shares is left half-changed: accounts and log guard themselves.
        let ended = panics::contain(async { start(shutdown.clone()).await }).await;
        if shutdown.is_cancelled() {
            return;
        }
        // This lasts until somebody acts: another start changes nothing.
        if let Ok(Err(error @ SinkError::NotInHistory { .. })) = &ended {
            let text = error_text(error);
            tracing::error!(sink = name, error = text, "a sink has ended for good");
            metrics.ended(text);
            return shutdown.cancelled().await;
        }
        let is_cut_off = matches!(ended, Ok(Err(SinkError::CutOff { .. })));
        let error = match ended {
            Ok(Ok(())) => "the sink ended without being asked".to_owned(),
            Ok(Err(error)) => error_text(&error),
            Err(panic) => format!("the sink panicked: {}", panics::text(panic.as_ref())),
        };
        if begun.elapsed() >= SOUND_AFTER {
            backoff.reset();
            said = None;
        }
        if said.as_ref() != Some(&error) {
            tracing::error!(sink = name, error, "a sink has ended; it is started again and again until it runs");
            said = Some(error.clone());
        }
        if is_cut_off {
            metrics.cut_off(error);
        } else {
            metrics.ended(error);
        }
        if !backoff.wait(shutdown.cancelled()).await {
            return;
        }
    }
}
