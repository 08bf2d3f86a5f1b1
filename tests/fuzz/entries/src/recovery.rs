//! A log whose files were damaged: it opens or says why not, and never shows a record that nobody wrote.

use genims_log::file::{Spool, SpoolError, SpoolOptions, open};
use genims_model::{DeadLetter, Portion, Reason};
use std::path::{Path, PathBuf};

const PORTIONS: u64 = 12;
const EACH: u64 = 3;
/// One act of damage: which file, what, and where.
const ACT_BYTES: usize = 6;

/// Each six bytes of `data` are one act of damage to a log of three dozen records.
pub fn recovery(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let options = SpoolOptions {
        directory: folder.path().to_owned(),
        max_bytes: 1 << 20,
        segment_bytes: 4_096,
        fsync: false,
        ..SpoolOptions::default()
    };
    fill(&options).unwrap();
    let files = files(folder.path());
    data.chunks_exact(ACT_BYTES).take(16).for_each(|act| damage(&files, act));

    let Ok(shown) = shown(&options) else { return };
    assert!(shown.windows(2).all(|pair| pair[1] == pair[0] + 1), "a gap in {shown:?}");
    let again = self::shown(&options).unwrap();
    assert_eq!(shown, again, "what a start has shown stays");
}

fn dead_letter(offset: u64) -> DeadLetter {
    let text = format!("{offset}");
    DeadLetter {
        source: 0,
        client: String::new(),
        received_us: offset as i64,
        topic: "t".repeat(1 + offset as usize * 37 % 300),
        reason: Reason::UnknownSensor,
        payload_bytes: text.len() as u64,
        records: 1,
        payload: text.clone().into_bytes(),
        detail: text,
    }
}

fn fill(options: &SpoolOptions) -> Result<(), SpoolError> {
    let (mut appender, spool, _) = open(options)?;
    for number in 0..PORTIONS {
        let dead_letters = (number * EACH..(number + 1) * EACH).map(dead_letter).collect();
        appender.append(&mut Portion { dead_letters, ..Portion::default() })?;
    }
    spool.close()
}

/// The offsets that a start shows; what stands at them is compared with what was written.
fn shown(options: &SpoolOptions) -> Result<Vec<u64>, SpoolError> {
    let (_appender, spool, recovered) = open(options)?;
    let mut offsets = Vec::new();
    let read = replay(&spool, recovered.first_offset, &mut offsets);
    let closed = spool.close();
    read.and(closed).map(|()| offsets)
}

fn replay(spool: &Spool, from: u64, offsets: &mut Vec<u64>) -> Result<(), SpoolError> {
    spool.replay(from, |group| {
        for (index, found) in group.dead_letters.iter().enumerate() {
            let offset = group.first_offset + index as u64;
            assert_eq!(*found, dead_letter(offset), "at offset {offset}");
            offsets.push(offset);
        }
    })
}

/// Without unfinished ones, which the log's own thread may be about to remove.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_none_or(|extension| extension != "tmp"));
    files.sort();
    files
}

fn damage(files: &[PathBuf], act: &[u8]) {
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
