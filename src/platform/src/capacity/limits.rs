//! How long a server is waited for. Servers are told, too, so that what nobody waits for any more does not run on.

use crate::errors::PlatformError;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Nobody looks so urgently that he stands in line behind a migration.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(2);
/// A server that ends a statement in time still has to say so.
const GRACE: Duration = Duration::from_secs(2);
/// Answers that all databases together may take, one after the other: when they are used up, no more tables are counted.
const ANSWERS_MAX: u32 = 4;
/// As long as anybody may wait for all of them, whatever one answer is given.
const WHOLE_MAX: Duration = Duration::from_secs(86_400);

/// Of a whole report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For one answer.
    pub(super) answer: Duration,
    started: Instant,
}

impl Limits {
    pub(super) fn new(answer: Duration) -> Self {
        Self { answer, started: Instant::now() }
    }

    fn counting(&self) -> Duration {
        self.answer.saturating_mul(ANSWERS_MAX).min(WHOLE_MAX)
    }

    /// No more tables are counted: sizes and what is short are told all the same.
    pub(super) fn are_reached(&self) -> bool {
        self.started.elapsed() >= self.counting()
    }

    /// What is not done after one more answer is not waited for at all.
    pub(super) async fn whole<T>(
        &self,
        place: &str,
        asked: impl Future<Output = Result<T, PlatformError>>,
    ) -> Result<T, PlatformError> {
        let most = self.counting().saturating_add(self.answer).min(WHOLE_MAX);
        let left = most.saturating_sub(self.started.elapsed());
        let silent = |_| PlatformError::Silent { place: place.to_owned(), seconds: most.as_secs() };
        timeout(left.saturating_add(GRACE), asked).await.map_err(silent)?
    }
}

pub(super) async fn answer<T>(
    place: &str,
    limit: Duration,
    answer: impl IntoFuture<Output = T>,
) -> Result<T, PlatformError> {
    let silent = |_| PlatformError::Silent { place: place.to_owned(), seconds: limit.as_secs() };
    timeout(limit.saturating_add(GRACE), answer).await.map_err(silent)
}

/// For servers, which take 1 to 2^31.
pub(super) fn milliseconds(limit: Duration) -> u128 {
    limit.as_millis().clamp(1, i32::MAX as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_told_with_its_place() {
        let told = answer("h:1/x", Duration::from_secs(30), std::future::pending::<()>()).await;
        let told = told.expect_err("it never answers").to_string();
        assert!(told.starts_with("h:1/x has not answered within 30 s; "), "{told}");
        assert_eq!(answer("h:1/x", Duration::ZERO, async { 5 }).await.expect("it answers"), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_have_a_limit_too() {
        let limits = Limits::new(Duration::from_secs(30));
        assert!(!limits.are_reached());
        let told = limits.whole("hr", std::future::pending::<Result<(), PlatformError>>()).await;
        let told = told.expect_err("it never answers").to_string();
        assert!(told.starts_with("hr has not answered within 150 s; "), "{told}");
        assert!(limits.are_reached(), "nothing more is counted");
        assert_eq!(limits.whole("hr", async { Ok(5) }).await.expect("it answers at once"), 5);
        assert!(!Limits::new(Duration::MAX).are_reached());
    }

    #[test]
    fn a_bound_is_never_none() {
        let bounds = [Duration::ZERO, Duration::from_secs(30), Duration::MAX].map(milliseconds);
        assert_eq!(bounds, [1, 30_000, 2_147_483_647]);
    }
}
