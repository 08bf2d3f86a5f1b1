//! The topic filters that the broker's session holds for us, in a file: only the broker knows them otherwise, and it tells
//! nobody. What was taken out of the configuration is found by it, and unsubscribed.
//!
//! One filter a line. It is written before the broker is asked for anything new, so it never lists fewer than the session
//! holds; one too many is unsubscribed in vain, which harms nothing. For that it is durable, file and name, when
//! [`Filters::begin`] and [`Filters::end`] return: the broker's session outlives a loss of our power. A last line says with
//! which QoS the broker has granted all of them, once it has: what a session surely holds need not be asked for again, upon
//! which a broker of MQTT 3.1.1 would send all retained messages again.
//!
//! A file that cannot be read, or that a later release wrote, is refused: written anew, it would list fewer than the session
//! holds. Whatever a later release adds stands on lines of its own that begin with a zero byte.

use super::BridgeError;
use super::options::Qos;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Filters {
    path: Option<PathBuf>,
    held: Vec<String>,
    granted: Option<u8>,
    /// The file says less than it should: writing failed.
    is_behind: bool,
}

/// Begins the last line; no filter has a zero byte.
const GRANTED: &str = "\0qos ";

impl Filters {
    /// What an earlier run has left in `folder`.
    pub(super) fn open(folder: Option<&Path>, client_id: &str) -> Result<Self, BridgeError> {
        let name = client_id.replace(|other: char| !other.is_ascii_alphanumeric() && other != '-', "_");
        let path = folder.map(|folder| folder.join(format!("{name}.filters")));
        let text = match path.as_ref().map(fs::read_to_string) {
            Some(Err(source)) if source.kind() != io::ErrorKind::NotFound => {
                return Err(BridgeError::File { path: path.unwrap_or_default(), source });
            }
            Some(Ok(text)) => text,
            _ => String::new(),
        };
        if text.lines().any(|line| line.starts_with('\0') && !line.starts_with(GRANTED)) {
            return Err(BridgeError::LaterFilters { path: path.unwrap_or_default() });
        }
        let granted = text.lines().find_map(|line| line.strip_prefix(GRANTED)?.parse().ok());
        let held = text.lines().filter(|line| !line.starts_with('\0')).map(str::to_owned).collect();
        Ok(Self { path, held, granted, is_behind: false })
    }

    /// What the session holds and `wanted` does not have.
    pub(super) fn dropped(&self, wanted: &[String]) -> Vec<String> {
        self.held.iter().filter(|filter| !wanted.contains(filter)).cloned().collect()
    }

    /// What the session is not known to hold of `wanted`.
    pub(super) fn missing(&self, wanted: &[String], qos: Qos) -> Vec<String> {
        let is_held = |filter: &String| self.granted == Some(qos as u8) && self.held.contains(filter);
        wanted.iter().filter(|filter| !is_held(filter)).cloned().collect()
    }

    /// `wanted` is about to be asked for.
    pub(super) fn begin(&mut self, wanted: &[String]) -> io::Result<()> {
        self.granted = None;
        let new: Vec<String> = wanted.iter().filter(|filter| !self.held.contains(filter)).cloned().collect();
        self.held.extend(new);
        self.write()
    }

    /// The broker holds `wanted` and nothing else; `granted`: all of it, with this QoS.
    pub(super) fn end(&mut self, wanted: &[String], granted: Option<Qos>) -> io::Result<()> {
        self.held = wanted.to_vec();
        self.granted = granted.map(|qos| qos as u8);
        self.write()
    }

    /// The last writing failed; [`Filters::write`] is tried again.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Makes the file say what is known.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let written = self.replace();
        self.is_behind = written.is_err();
        written
    }

    fn replace(&self) -> io::Result<()> {
        let Some((path, folder)) = self.path.as_deref().and_then(|path| Some((path, path.parent()?))) else {
            return Ok(());
        };
        if !folder.is_dir() {
            // It lies in the server's data folder, which is there.
            fs::create_dir_all(folder)?;
            folder.parent().map_or(Ok(()), sync_names)?;
        }
        let fresh = path.with_extension("new");
        let granted = self.granted.map(|qos| format!("{GRANTED}{qos}"));
        let lines: Vec<&str> = self.held.iter().chain(&granted).map(String::as_str).collect();
        let mut file = File::create(&fresh)?;
        file.write_all(lines.join("\n").as_bytes())?;
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
        let open = || Filters::open(Some(folder.path()), "genims-1-plant/ö").expect("a good file");
        let [old, new] = [["a/#", "b"], ["b", "c"]].map(|filters| filters.map(str::to_owned).to_vec());
        let mut first = open();
        assert!(first.dropped(&new).is_empty());
        first.begin(&old).expect("written");
        first.end(&old, None).expect("written");
        let mut second = open();
        assert_eq!(second.dropped(&new), ["a/#"]);
        second.begin(&new).expect("written");
        assert_eq!(open().dropped(&new), ["a/#"], "it may not have been unsubscribed");
        assert_eq!(open().dropped(&old), ["c"], "it may have been subscribed");
        second.end(&new, None).expect("written");
        assert!(open().dropped(&new).is_empty());
    }

    #[test]
    fn what_could_not_be_written_is_known_and_written_once_it_can_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("bridges");
        let wanted = vec!["a/#".to_owned()];
        let mut filters = Filters::open(Some(&place), "c").expect("none yet");
        std::fs::write(&place, "in the way").expect("written");
        assert!(filters.begin(&wanted).is_err() && filters.is_behind());
        assert!(filters.end(&wanted, Some(Qos::AtLeastOnce)).is_err() && filters.is_behind());
        std::fs::remove_file(&place).expect("removed");
        filters.write().expect("written");
        assert!(!filters.is_behind());
        assert!(Filters::open(Some(&place), "c").expect("a good file").missing(&wanted, Qos::AtLeastOnce).is_empty());
    }

    #[test]
    fn only_what_was_granted_in_full_need_not_be_asked_for_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Filters::open(Some(folder.path()), "c").expect("a good file");
        let [old, new] = [["a/#", "b"], ["b", "c"]].map(|filters| filters.map(str::to_owned).to_vec());
        let (once, twice) = (Qos::AtLeastOnce, Qos::ExactlyOnce);
        open().begin(&old).expect("written");
        assert_eq!(open().missing(&old, once), old);
        open().end(&old, None).expect("written");
        assert_eq!(open().missing(&old, once), old);
        open().end(&old, Some(once)).expect("written");
        assert!(open().missing(&old, once).is_empty());
        assert_eq!(open().missing(&old, twice), old);
        assert_eq!((open().missing(&new, once), open().dropped(&new)), (vec!["c".to_owned()], vec!["a/#".to_owned()]));
        open().begin(&new).expect("written");
        assert_eq!(open().missing(&new, once), new);
    }

    #[test]
    fn what_a_later_release_wrote_or_nobody_can_read_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Filters::open(Some(folder.path()), "c");
        let filters = ["a/#", "b"].map(str::to_owned);
        open().expect("nothing there").end(&filters, Some(Qos::AtLeastOnce)).expect("written");
        let path = folder.path().join("c.filters");
        let good = fs::read(&path).expect("written");
        let later = [b"\0format 2\n".as_slice(), &good].concat();
        for (content, said) in [(later, "start the release that wrote it"), (vec![b'a', 0xFF], "check the path")] {
            fs::write(&path, &content).expect("written");
            let error = open().expect_err("refused").to_string();
            assert!(error.contains("c.filters") && error.contains(said), "{error}");
            assert_eq!(fs::read(&path).expect("there"), content, "untouched");
        }
        fs::write(&path, good).expect("written");
        assert_eq!(open().expect("as it was").dropped(&[]), filters);
    }
}
