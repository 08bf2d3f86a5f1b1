//! The forgetful disk as a file system that real programs use (FUSE). The kernel writes through, so that what it keeps
//! back is nothing; an unmount drops what it had read.

use super::disk::{Directory, Disk, File, Node, ROOT, Room};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyWrite, Request, WriteFlags,
};
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// Nothing is remembered by the kernel beyond the call.
const TTL: Duration = Duration::ZERO;

#[derive(Debug)]
pub(crate) struct Mounted {
    disk: Shared,
    path: PathBuf,
    session: Option<BackgroundSession>,
}

/// With `GENIMS_MUST_MOUNT=1`, which CI sets, a test that this machine does not let run fails.
pub(crate) fn must_mount() -> bool {
    std::env::var("GENIMS_MUST_MOUNT").is_ok_and(|value| value == "1")
}

/// Whether a test that needs a disk of its own can run; where this machine lets nobody mount, that is said.
pub(crate) fn can_mount(probe: &Path) -> bool {
    let Err(error) = Mounted::new(probe) else { return true };
    assert!(!must_mount(), "GENIMS_MUST_MOUNT=1, and no FUSE file system can be mounted here: {error}");
    println!("skipped, no FUSE file system can be mounted here: {error}");
    false
}

#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<Disk>>);

impl Mounted {
    /// An empty disk at `path`; an error where this machine lets nobody mount.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let disk = Shared(Arc::new(Mutex::new(Disk::new())));
        let mut mounted = Self { disk, path: path.to_owned(), session: None };
        mounted.mount()?;
        Ok(mounted)
    }

    fn mount(&mut self) -> io::Result<()> {
        let mut config = Config::default();
        config.mount_options =
            vec![MountOption::FSName("powercut".to_owned()), MountOption::NoDev, MountOption::NoSuid];
        self.session = Some(fuser::spawn_mount(self.disk.clone(), &self.path, &config)?);
        Ok(())
    }

    fn unmount(&mut self) -> io::Result<()> {
        match self.session.take().map_or(Ok(()), BackgroundSession::umount_and_join) {
            // What a read of the session meets when the unmount comes between a request and its copy; otherwise ENODEV,
            // which `fuser` takes for the end that it is.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(()),
            ended => ended,
        }
    }

    /// From now on every sync fails: what is written is on its way to a disk without power.
    pub(crate) fn lose_power(&self) {
        self.disk.lock().lose_power();
    }

    /// No process may have files open here any more.
    pub(super) fn cut(&mut self, random: &mut StdRng) {
        self.unmount().unwrap();
        self.disk.lock().cut(random);
        self.mount().unwrap();
    }

    /// From now on the disk is as full as this.
    pub(crate) fn leave(&self, room: Room) {
        self.disk.lock().room = room;
    }

    /// From now on each sync takes so long.
    pub(crate) fn slow_down(&self, sync_takes: Duration) {
        self.disk.lock().sync_takes = sync_takes;
    }

    /// How often a file found no room, by its name.
    pub(crate) fn refused(&self) -> BTreeMap<String, u64> {
        self.disk.lock().refused.clone()
    }

    /// How many cuts found unsynced contents in a file, by its name.
    pub(super) fn torn(&self) -> BTreeMap<String, u64> {
        self.disk.lock().torn.clone()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            eprintln!("cannot unmount {}: {error}", self.path.display());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attributes(&self, no: u64) -> Option<FileAttr> {
        let disk = self.lock();
        let (size, kind, perm) = match disk.node(no)? {
            // Nobody else's, as files of accounts have to be.
            Node::File(file) => (file.content.len() as u64, FileType::RegularFile, 0o600),
            Node::Directory(_) => (0, FileType::Directory, 0o755),
        };
        Some(FileAttr {
            ino: INodeNo(no),
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            rdev: 0,
            flags: 0,
            blksize: 4_096,
        })
    }

    fn enter(&self, no: Option<u64>, reply: ReplyEntry) {
        match no.and_then(|no| self.attributes(no)) {
            Some(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }
}

fn done(done: Option<()>, reply: ReplyEmpty) {
    match done {
        Some(()) => reply.ok(),
        None => reply.error(Errno::ENOENT),
    }
}

fn synced(synced: Option<bool>, reply: ReplyEmpty) {
    match synced {
        Some(true) => reply.ok(),
        Some(false) => reply.error(Errno::EIO),
        None => reply.error(Errno::ENOENT),
    }
}

impl Filesystem for Shared {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let no = self.lock().lookup(parent.0, name);
        self.enter(no, reply);
    }

    fn getattr(&self, _: &Request, no: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(no.0) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        no: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<fuser::TimeOrNow>,
        _: Option<fuser::TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if size.and_then(|size| self.lock().set_length(no.0, size as usize)) == Some(false) {
            return reply.error(Errno::ENOSPC);
        }
        match self.attributes(no.0) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let mut disk = self.lock();
        if disk.room == Room::Nothing {
            return reply.error(Errno::ENOSPC);
        }
        let no = disk.create(parent.0, name, Node::Directory(Directory::default()));
        drop(disk);
        self.enter(no, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.lock().remove(parent.0, name), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.lock().remove(parent.0, name), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if parent != new_parent {
            return reply.error(Errno::EXDEV);
        }
        done(self.lock().rename(parent.0, name, new_name), reply);
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        let mut disk = self.lock();
        if disk.room == Room::Nothing {
            *disk.refused.entry(name.to_string_lossy().into_owned()).or_default() += 1;
            return reply.error(Errno::ENOSPC);
        }
        let no = disk.create(parent.0, name, Node::File(File::default()));
        drop(disk);
        match no.and_then(|no| self.attributes(no)) {
            Some(attributes) => {
                reply.created(&TTL, &attributes, Generation(0), FileHandle(0), FopenFlags::empty());
            }
            None => reply.error(Errno::ENOENT),
        }
    }

    fn read(
        &self,
        _: &Request,
        no: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut disk = self.lock();
        let Some(file) = disk.file(no.0) else { return reply.error(Errno::ENOENT) };
        let from = file.content.get(offset as usize..).unwrap_or_default();
        reply.data(&from[..from.len().min(size as usize)]);
    }

    fn write(
        &self,
        _: &Request,
        no: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.lock().write(no.0, offset as usize, data) {
            Some(0) if !data.is_empty() => reply.error(Errno::ENOSPC),
            Some(written) => reply.written(written as u32),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, no: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let takes = self.lock().sync_takes;
        std::thread::sleep(takes);
        synced(self.lock().sync(no.0), reply);
    }

    fn fsyncdir(&self, _: &Request, no: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        synced(self.lock().sync(no.0), reply);
    }

    fn fallocate(&self, _: &Request, no: INodeNo, _: FileHandle, offset: u64, length: u64, _: i32, reply: ReplyEmpty) {
        let mut disk = self.lock();
        let Some(file) = disk.file(no.0) else { return reply.error(Errno::ENOENT) };
        let wanted = file.content.len().max((offset + length) as usize);
        match disk.set_length(no.0, wanted) {
            Some(false) => reply.error(Errno::ENOSPC),
            _ => reply.ok(),
        }
    }

    fn readdir(&self, _: &Request, no: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let disk = self.lock();
        let Some(directory) = disk.directory(no.0) else { return reply.error(Errno::ENOENT) };
        let dots = [(OsStr::new("."), no.0), (OsStr::new(".."), ROOT)];
        let names = dots.into_iter().chain(directory.names.iter().map(|(name, no)| (name.as_os_str(), *no)));
        for (index, (name, no)) in names.enumerate().skip(offset as usize) {
            let kind = match disk.node(no) {
                Some(Node::File(_)) => FileType::RegularFile,
                _ => FileType::Directory,
            };
            if reply.add(INodeNo(no), index as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}
