//! Acts of damage to files: what bits, disks and people do to a folder while nobody looks.

use std::path::{Path, PathBuf};

/// Which file, what, and where.
const ACT_BYTES: usize = 6;
const ACTS_MAX: usize = 16;

/// The files of some folders, without unfinished ones, which the log's own thread may be about to remove.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file() && path.extension().is_none_or(|extension| extension != "tmp"));
    files.sort();
    files
}

/// Each six bytes of `data` are one act.
pub(crate) fn damage(files: &[PathBuf], data: &[u8]) {
    data.chunks_exact(ACT_BYTES).take(ACTS_MAX).for_each(|act| damage_one(files, act));
}

fn damage_one(files: &[PathBuf], act: &[u8]) {
    let path = &files[usize::from(act[0]) % files.len()];
    // An earlier act may have removed it.
    let Ok(mut content) = std::fs::read(path) else { return };
    let place = u32::from_le_bytes([act[2], act[3], act[4], 0]) as usize % (content.len() + 1);
    let bits = act[5];
    match act[1] % 5 {
        0 => content.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= bits.max(1)),
        1 => content.truncate(place),
        2 => content.iter_mut().skip(place).take(usize::from(bits)).for_each(|byte| *byte = 0),
        3 => content.extend(std::iter::repeat_n(bits, place % 64)),
        _ => return std::fs::remove_file(path).unwrap(),
    }
    std::fs::write(path, content).unwrap();
}
