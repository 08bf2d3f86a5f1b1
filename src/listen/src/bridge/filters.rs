//! The topic filters that the broker's session holds for us, in a file: only the broker knows them otherwise, and it tells
//! nobody. What was taken out of the configuration is found by it, and unsubscribed.
//!
//! One filter a line. It is written before the broker is asked for anything new, so it never lists fewer than the session
//! holds; one too many is unsubscribed in vain, which harms nothing. For that it is durable, file and name, when
//! [`Filters::begin`] and [`Filters::end`] return: the broker's session outlives a loss of our power.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Filters {
    path: Option<PathBuf>,
    held: Vec<String>,
}

impl Filters {
    /// What an earlier run has left in `folder`.
    pub(super) fn open(folder: Option<&Path>, client_id: &str) -> Self {
        let name = client_id.replace(|other: char| !other.is_ascii_alphanumeric() && other != '-', "_");
        let path = folder.map(|folder| folder.join(format!("{name}.filters")));
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        Self { path, held: text.lines().map(str::to_owned).collect() }
    }

    /// What the session holds and `wanted` does not have.
    pub(super) fn dropped(&self, wanted: &[String]) -> Vec<String> {
        self.held.iter().filter(|filter| !wanted.contains(filter)).cloned().collect()
    }

    /// `wanted` is about to be asked for.
    pub(super) fn begin(&mut self, wanted: &[String]) -> io::Result<()> {
        let new: Vec<String> = wanted.iter().filter(|filter| !self.held.contains(filter)).cloned().collect();
        self.held.extend(new);
        self.write()
    }

    /// The broker holds `wanted` and nothing else.
    pub(super) fn end(&mut self, wanted: &[String]) -> io::Result<()> {
        self.held = wanted.to_vec();
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let Some((path, folder)) = self.path.as_deref().and_then(|path| Some((path, path.parent()?))) else {
            return Ok(());
        };
        if !folder.is_dir() {
            // It lies in the server's data folder, which is there.
            fs::create_dir_all(folder)?;
            folder.parent().map_or(Ok(()), sync_names)?;
        }
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(self.held.join("\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        sync_names(folder)
    }
}

fn sync_names(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_known_to_the_next_run_until_the_broker_has_let_go_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Filters::open(Some(folder.path()), "genims-1-plant/ö");
        let [old, new] = [["a/#", "b"], ["b", "c"]].map(|filters| filters.map(str::to_owned).to_vec());
        let mut first = open();
        assert!(first.dropped(&new).is_empty());
        first.begin(&old).expect("written");
        first.end(&old).expect("written");
        let mut second = open();
        assert_eq!(second.dropped(&new), ["a/#"]);
        second.begin(&new).expect("written");
        assert_eq!(open().dropped(&new), ["a/#"], "it may not have been unsubscribed");
        assert_eq!(open().dropped(&old), ["c"], "it may have been subscribed");
        second.end(&new).expect("written");
        assert!(open().dropped(&new).is_empty());
    }
}
