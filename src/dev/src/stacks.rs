//! Which stack a command means that does not say: a folder remembers the stacks that were brought up from it.
//!
//! Enters: the folder in which a command runs. Leaves: the folder of the one stack. One absolute path a line stands in
//! `.genims/stacks`; a stack in `.genims` itself needs no line, and lines of stacks that are gone are passed over.

use anyhow::{Context, bail};
use genims_dev::Stack;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where a stack is made when nothing is said.
pub(crate) const USUAL: &str = ".genims";
const LIST: &str = "stacks";

/// From now on a command in `here` finds the stack in `folder`.
pub(crate) fn remember(here: &Path, folder: &Path) -> anyhow::Result<()> {
    let usual = here.join(USUAL);
    if folder == usual.canonicalize().unwrap_or_default() {
        return Ok(());
    }
    let mut known = listed(here)?;
    if known.iter().all(|other| other != folder) {
        known.push(folder.to_owned());
        write(here, &known)?;
    }
    Ok(())
}

/// The stack in `folder` was deleted.
pub(crate) fn forget(here: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut known = listed(here)?;
    let before = known.len();
    known.retain(|other| other != folder);
    if known.len() < before { write(here, &known) } else { Ok(()) }
}

/// The stack in `dir`; without it the one that was brought up from `here`: of several the only one that runs.
pub(crate) fn find(here: &Path, dir: Option<&Path>) -> anyhow::Result<Option<Stack>> {
    if let Some(dir) = dir {
        return Ok(Stack::open(&here.join(dir))?);
    }
    let mut stacks = Vec::new();
    for folder in [here.join(USUAL)].into_iter().chain(listed(here)?) {
        stacks.extend(Stack::open(&folder)?);
    }
    if stacks.len() > 1 {
        let running: Vec<bool> =
            stacks.iter().map(|stack| stack.status().servers.values().any(|it| it.running)).collect();
        let named: Vec<String> = stacks.iter().map(|stack| format!("--dir {}", stack.folder().display())).collect();
        match running.iter().filter(|running| **running).count() {
            1 => {
                let mut keep = running.into_iter();
                stacks.retain(|_| keep.next() == Some(true));
            }
            _ => bail!("several stacks were brought up from here; say which one: {}", named.join(", or ")),
        }
    }
    Ok(stacks.pop())
}

fn listed(here: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let path = here.join(USUAL).join(LIST);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(PathBuf::from).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Without a line left there is no file, and no folder that holds nothing else.
fn write(here: &Path, known: &[PathBuf]) -> anyhow::Result<()> {
    let folder = here.join(USUAL);
    let path = folder.join(LIST);
    let done = if known.is_empty() {
        fs::remove_file(&path).map(|()| {
            // Fails where something else is in it, which is why it is tried this way.
            let _ = fs::remove_dir(&folder);
        })
    } else {
        let lines: String = known.iter().map(|path| format!("{}\n", path.display())).collect();
        fs::create_dir_all(&folder).and_then(|()| fs::write(&path, lines))
    };
    done.with_context(|| {
        format!("cannot write {}: make the folder writable, or name the stack with --dir", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_remembered_once_and_nothing_is_left_when_the_last_is_forgotten() {
        let here = tempfile::tempdir().unwrap();
        let (one, other) = (Path::new("/somewhere/one"), Path::new("/somewhere/other"));
        for folder in [one, other, one] {
            remember(here.path(), folder).unwrap();
        }
        assert_eq!(listed(here.path()).unwrap(), [one, other]);
        assert!(find(here.path(), None).unwrap().is_none(), "both are gone");
        forget(here.path(), one).unwrap();
        forget(here.path(), Path::new("/never/known")).unwrap();
        assert_eq!(listed(here.path()).unwrap(), [other]);
        forget(here.path(), other).unwrap();
        assert!(!here.path().join(USUAL).exists());
    }
}
