//! Route files that change while the server runs.

use super::RoutedView;
use genims_databases::Registry;
use genims_routes::Routes;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often the folder is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Puts changed route files into force; files with a fault change nothing, and are said once.
pub(super) struct Reload {
    pub(super) folder: PathBuf,
    pub(super) registry: Registry,
    pub(super) routed: Vec<RoutedView>,
}

impl Reload {
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut seen = self.stamp();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let stamp = self.stamp();
            if stamp == seen {
                continue;
            }
            seen = stamp;
            match Routes::load(&self.registry, Some(&self.folder)) {
                Ok(routes) => {
                    for view in &self.routed {
                        let name = view.routed.routes().database.name.clone();
                        if let Some(routes) = routes.of(&name) {
                            view.routed.replace(routes.clone());
                        }
                    }
                    tracing::info!("the routes were read again");
                }
                Err(error) => {
                    tracing::error!(%error, "the routes were changed and cannot be used; the earlier ones stay")
                }
            }
        }
    }

    /// Name, size and time of each file: what differs was changed.
    fn stamp(&self) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let data = entry.metadata().ok()?;
                Some((entry.path(), data.len(), data.modified().ok()))
            })
            .collect();
        files.sort();
        files
    }
}
