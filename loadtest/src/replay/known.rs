//! Waits until the server knows the sensors of a replay: what it does not know yet it sets aside.
//!
//! The server reads master data every few seconds and tells, in `/stats`, how long ago that was. A look that began after
//! we have read the same tables has seen what we saw.

use crate::progress::Progress;
use crate::targets::Targets;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Several times as long as the server takes from one look to the next.
const WAIT_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum UnknownError {
    #[error(
        "{http} does not answer, so nobody can tell whether the server knows the sensors: start `genims serve`, or name its address with --http"
    )]
    NoAnswer { http: String },
    #[error("the server has not read master data within {} s{because}: look at its log", WAIT_MAX.as_secs())]
    Stale { because: String },
}

/// `sensors` were active when the plant was read, at `read_at`.
pub async fn wait(targets: &Targets, sensors: usize, read_at: Instant) -> Result<(), UnknownError> {
    let deadline = read_at + WAIT_MAX;
    let mut progress = Progress::new("waiting until the server knows the sensors");
    loop {
        let stats = targets.server_stats().await;
        if stats.as_ref().is_some_and(|stats| knows(stats, sensors, read_at.elapsed())) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(match stats {
                None => UnknownError::NoAnswer { http: targets.http.clone() },
                Some(stats) => {
                    let error = stats["catalogue"]["last_error"].as_str();
                    UnknownError::Stale { because: error.map_or_else(String::new, |error| format!(" ({error})")) }
                }
            });
        }
        progress.show("");
        tokio::time::sleep(POLL).await;
    }
}

/// The count is a second witness: the database tells of changes a moment after they are made.
fn knows(stats: &Value, sensors: usize, since_read: Duration) -> bool {
    let catalogue = &stats["catalogue"];
    let refreshed = catalogue["refreshed_seconds_ago"].as_f64();
    refreshed.is_some_and(|ago| ago < since_read.as_secs_f64())
        && catalogue["sensors"].as_u64().is_some_and(|known| known >= sensors as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_look_after_ours_that_found_all_sensors_is_what_is_waited_for() {
        let stats =
            |ago: Option<f64>, sensors| json!({ "catalogue": { "refreshed_seconds_ago": ago, "sensors": sensors } });
        let after = Duration::from_secs(3);
        assert!(knows(&stats(Some(2.5), 10), 10, after));
        assert!(!knows(&stats(Some(3.5), 10), 10, after), "it began before");
        assert!(!knows(&stats(Some(2.5), 9), 10, after), "it has not seen all");
        assert!(!knows(&stats(None, 10), 10, after) && !knows(&json!({}), 0, after));
    }
}
