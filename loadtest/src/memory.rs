//! The server's resident memory, sampled from `/proc/PID/status`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// The largest value seen between `start` and now. Stops when dropped.
#[derive(Debug)]
pub struct Sampler {
    pid: u32,
    rss_kib_max: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Sampler {
    pub fn start(pid: u32) -> Self {
        let rss_kib_max = Arc::new(AtomicU64::new(rss_kib(pid).unwrap_or(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let (highest, stopped) = (rss_kib_max.clone(), stop.clone());
        tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(kib) = rss_kib(pid) {
                    highest.fetch_max(kib, Ordering::Relaxed);
                }
                tokio::time::sleep(SAMPLE_INTERVAL).await;
            }
        });
        Self { pid, rss_kib_max, stop }
    }

    pub fn now_mb(&self) -> Option<f64> {
        rss_kib(self.pid).map(megabytes)
    }

    /// `None` if the process was never seen.
    pub fn max_mb(&self) -> Option<f64> {
        let kib = self.rss_kib_max.load(Ordering::Relaxed);
        (kib > 0).then(|| megabytes(kib))
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Mebibytes, which is what memory limits are written in.
fn megabytes(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}

fn rss_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    field_kib(&status, "VmRSS:")
}

fn field_kib(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_found_and_our_own_memory_is_not_zero() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(field_kib(status, "VmRSS:"), Some(1_024));
        assert!(rss_kib(std::process::id()).is_some_and(|kib| kib > 0));
        assert_eq!(rss_kib(u32::MAX), None);
    }
}
