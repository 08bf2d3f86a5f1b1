//! A disk that forgets what was not synced: contents until the file's fsync, names until the directory's.
//!
//! In: what a program does to files. Out: what the machine finds after its power was cut: all that was synced, and of the
//! rest nothing, a torn front part, any of its sectors, or all of it. It can be full as well ([`Room`]).

use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

pub(super) const ROOT: u64 = 1;
const SECTOR_BYTES: usize = 512;

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// One durable step of a directory; a rename is one, as every journalling file system has it.
#[derive(Clone, Debug)]
struct Naming {
    gone: Option<OsString>,
    named: Option<(OsString, u64)>,
}

#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) content: Vec<u8>,
    synced: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) names: BTreeMap<OsString, u64>,
    synced: BTreeMap<OsString, u64>,
    pending: Vec<Naming>,
}

#[derive(Debug)]
pub(super) enum Node {
    File(File),
    Directory(Directory),
}

/// What others leave of the disk; they take at once what is given up here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    /// Files may become so much longer; what lies in reserved room is written as ever.
    Bytes(usize),
    /// Nothing is written at all, wherever it would go: such is a full disk that never overwrites (btrfs).
    Nothing,
}

/// Asked for by a file `cut:<folder>:<beginning of the name>` in the root, which goes with the power.
#[derive(Debug)]
struct Due {
    marker: OsString,
    folder: String,
    name: String,
}

impl Due {
    fn by(marker: &OsStr) -> Option<Self> {
        let (folder, name) = marker.to_str()?.strip_prefix("cut:")?.split_once(':')?;
        Some(Self { marker: marker.to_owned(), folder: folder.to_owned(), name: name.to_owned() })
    }
}

#[derive(Debug)]
pub(super) struct Disk {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    /// Nothing becomes durable any more, and nobody is told that it did.
    has_power: bool,
    /// The power goes at the next sync of this file.
    due: Option<Due>,
    /// How often a cut found unsynced contents, by file name.
    pub(super) torn: BTreeMap<String, u64>,
    pub(super) room: Room,
    /// How often there was no room, by file name.
    pub(super) refused: BTreeMap<String, u64>,
    /// What each sync takes.
    pub(super) sync_takes: Duration,
}

impl Disk {
    pub(super) fn new() -> Self {
        let nodes = BTreeMap::from([(ROOT, Node::Directory(Directory::default()))]);
        let (torn, refused) = (BTreeMap::new(), BTreeMap::new());
        let sync_takes = Duration::ZERO;
        Self { nodes, next: ROOT + 1, has_power: true, due: None, torn, room: Room::Enough, refused, sync_takes }
    }

    pub(super) fn node(&self, no: u64) -> Option<&Node> {
        self.nodes.get(&no)
    }

    pub(super) fn directory(&self, no: u64) -> Option<&Directory> {
        match self.nodes.get(&no)? {
            Node::Directory(directory) => Some(directory),
            Node::File(_) => None,
        }
    }

    pub(super) fn file(&mut self, no: u64) -> Option<&mut File> {
        match self.nodes.get_mut(&no)? {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        }
    }

    pub(super) fn lookup(&self, parent: u64, name: &OsStr) -> Option<u64> {
        self.directory(parent)?.names.get(name).copied()
    }

    pub(super) fn create(&mut self, parent: u64, name: &OsStr, node: Node) -> Option<u64> {
        let no = self.next;
        self.change(parent, Naming { gone: None, named: Some((name.to_owned(), no)) })?;
        self.next += 1;
        self.nodes.insert(no, node);
        self.due = Due::by(name).or(self.due.take());
        Some(no)
    }

    pub(super) fn remove(&mut self, parent: u64, name: &OsStr) -> Option<()> {
        self.lookup(parent, name)?;
        self.change(parent, Naming { gone: Some(name.to_owned()), named: None })
    }

    /// How much was written, from the front: less than all of it where there is no room for the rest.
    pub(super) fn write(&mut self, no: u64, position: usize, bytes: &[u8]) -> Option<usize> {
        let growth = (position + bytes.len()).saturating_sub(self.file(no)?.content.len());
        let written = match self.room {
            Room::Enough => bytes.len(),
            Room::Bytes(left) => bytes.len().saturating_sub(growth.saturating_sub(left)),
            Room::Nothing => 0,
        };
        if written < bytes.len() {
            self.refuse(no);
        }
        self.take(growth);
        if written > 0 {
            self.file(no)?.write(position, &bytes[..written]);
        }
        Some(written)
    }

    /// False where there is no room for what the file becomes longer by.
    pub(super) fn set_length(&mut self, no: u64, length: usize) -> Option<bool> {
        let growth = length.saturating_sub(self.file(no)?.content.len());
        let fits = growth == 0
            || match self.room {
                Room::Enough => true,
                Room::Bytes(left) => growth <= left,
                Room::Nothing => false,
            };
        if fits {
            self.take(growth);
            self.file(no)?.set_length(length);
        } else {
            self.refuse(no);
        }
        Some(fits)
    }

    fn take(&mut self, growth: usize) {
        if let Room::Bytes(left) = &mut self.room {
            *left = left.saturating_sub(growth);
        }
    }

    fn refuse(&mut self, no: u64) {
        let names = self.nodes.values().filter_map(|node| match node {
            Node::Directory(directory) => Some(&directory.names),
            Node::File(_) => None,
        });
        let name =
            names.flatten().find(|(_, named)| **named == no).map(|(name, _)| name.to_string_lossy().into_owned());
        *self.refused.entry(name.unwrap_or_default()).or_default() += 1;
    }

    /// Within one directory: nothing else is needed.
    pub(super) fn rename(&mut self, parent: u64, from: &OsStr, to: &OsStr) -> Option<()> {
        let no = self.lookup(parent, from)?;
        self.change(parent, Naming { gone: Some(from.to_owned()), named: Some((to.to_owned(), no)) })
    }

    fn change(&mut self, parent: u64, naming: Naming) -> Option<()> {
        let Node::Directory(directory) = self.nodes.get_mut(&parent)? else { return None };
        naming.apply(&mut directory.names);
        directory.pending.push(naming);
        Some(())
    }

    pub(super) fn lose_power(&mut self) {
        self.has_power = false;
    }

    /// Whether this is the sync before which the power goes.
    fn is_due(&self, no: u64) -> bool {
        let (Some(due), Some(Node::File(file))) = (&self.due, self.nodes.get(&no)) else { return false };
        let root = self.directory(ROOT).map(|root| &root.names);
        let folder = if due.folder.is_empty() {
            Some(ROOT)
        } else {
            root.and_then(|names| names.get(OsStr::new(&due.folder)).copied())
        };
        let names = folder.and_then(|folder| self.directory(folder)).map(|directory| &directory.names);
        let is_named = |(name, at): (&OsString, &u64)| *at == no && name.to_string_lossy().starts_with(&due.name);
        !file.pending.is_empty() && names.is_some_and(|names| names.iter().any(is_named))
    }

    /// False where the sync came too late.
    pub(super) fn sync(&mut self, no: u64) -> Option<bool> {
        if self.is_due(no)
            && let Some(due) = self.due.take()
        {
            self.has_power = false;
            if let Some(Node::Directory(root)) = self.nodes.get_mut(&ROOT) {
                root.names.remove(&due.marker);
            }
        }
        if !self.has_power {
            return Some(false);
        }
        match self.nodes.get_mut(&no)? {
            Node::File(file) => file.pending.drain(..).for_each(|change| change.apply(&mut file.synced)),
            Node::Directory(directory) => {
                directory.pending.clear();
                directory.synced.clone_from(&directory.names);
            }
        }
        Some(true)
    }

    /// The machine dies, and comes back with what its disk remembers.
    pub(super) fn cut(&mut self, random: &mut StdRng) {
        self.has_power = true;
        let names: BTreeMap<u64, String> = self
            .nodes
            .values()
            .filter_map(|node| if let Node::Directory(directory) = node { Some(directory) } else { None })
            .flat_map(|directory| directory.names.iter())
            .map(|(name, no)| (*no, name.to_string_lossy().into_owned()))
            .collect();
        for (no, node) in &mut self.nodes {
            match node {
                Node::File(file) => {
                    if !file.pending.is_empty() {
                        *self.torn.entry(names.get(no).cloned().unwrap_or_default()).or_default() += 1;
                    }
                    file.cut(random);
                }
                Node::Directory(directory) => directory.cut(random),
            }
        }
        self.forget_unnamed();
    }

    fn forget_unnamed(&mut self) {
        let mut named = vec![ROOT];
        let mut next = 0;
        while let Some(no) = named.get(next).copied() {
            named.extend(self.directory(no).into_iter().flat_map(|directory| directory.names.values()));
            next += 1;
        }
        self.nodes.retain(|no, _| named.contains(no));
    }
}

impl File {
    pub(super) fn write(&mut self, position: usize, bytes: &[u8]) {
        self.change(Change::Write(position, bytes.to_vec()));
    }

    pub(super) fn set_length(&mut self, length: usize) {
        self.change(Change::Length(length));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.content);
        self.pending.push(change);
    }

    fn cut(&mut self, random: &mut StdRng) {
        let pending = std::mem::take(&mut self.pending);
        match random.random_range(0..4) {
            // Nothing had reached the disk.
            0 => {}
            // It was written in order, up to somewhere in one write.
            1 => {
                let whole = random.random_range(0..=pending.len());
                pending[..whole].iter().for_each(|change| change.apply(&mut self.synced));
                if let Some(Change::Write(position, bytes)) = pending.get(whole) {
                    let torn = random.random_range(0..=bytes.len());
                    Change::Write(*position, bytes[..torn].to_vec()).apply(&mut self.synced);
                }
            }
            // Any sectors, in any order; the length may be ahead of the contents.
            2 => pending.iter().for_each(|change| change.apply_in_part(&mut self.synced, random)),
            _ => pending.iter().for_each(|change| change.apply(&mut self.synced)),
        }
        self.content.clone_from(&self.synced);
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Length(length) => content.resize(*length, 0),
            Self::Write(position, bytes) => {
                let end = position + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*position..end].copy_from_slice(bytes);
            }
        }
    }

    fn apply_in_part(&self, content: &mut Vec<u8>, random: &mut StdRng) {
        let Self::Write(position, bytes) = self else { return self.apply(content) };
        let mut from = 0;
        while from < bytes.len() {
            let to = bytes.len().min(from + SECTOR_BYTES - (position + from) % SECTOR_BYTES);
            if random.next_u32() & 1 == 0 {
                Self::Write(position + from, bytes[from..to].to_vec()).apply(content);
            }
            from = to;
        }
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<OsString, u64>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, no)) = &self.named {
            names.insert(name.clone(), *no);
        }
    }
}

impl Directory {
    fn cut(&mut self, random: &mut StdRng) {
        let pending = std::mem::take(&mut self.pending);
        // In order, as a journal keeps them, or each for itself, which is all that POSIX promises.
        let in_order = random.next_u32() & 1 == 0;
        let front = random.random_range(0..=pending.len());
        for (index, naming) in pending.iter().enumerate() {
            if if in_order { index < front } else { random.next_u32() & 1 == 0 } {
                naming.apply(&mut self.synced);
            }
        }
        self.names.clone_from(&self.synced);
    }
}
