//! How long a server is waited for. Servers are told, too, so that what nobody waits for any more does not run on.

use crate::errors::PlatformError;
use std::time::Duration;
use tokio::time::timeout;

/// Nobody looks so urgently that he stands in line behind a migration.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(2);
/// A server that ends a statement in time still has to say so.
const GRACE: Duration = Duration::from_secs(2);

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

    #[test]
    fn a_bound_is_never_none() {
        let bounds = [Duration::ZERO, Duration::from_secs(30), Duration::MAX].map(milliseconds);
        assert_eq!(bounds, [1, 30_000, 2_147_483_647]);
    }
}
