//! Writing to standard output. A reader that has seen enough (`| head`) is no failure: the rest of the text is dropped and
//! the command ends with the exit code of what it found. Any other failure to write is kept, so that the command's work still ends
//! in order; then [`written`] tells of it.

use anyhow::anyhow;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

/// Why standard output takes nothing more.
static FAILURE: OnceLock<String> = OnceLock::new();

/// `println!` for commands.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::line(format_args!($($text)*)) };
}

pub fn line(text: Arguments<'_>) {
    put(&mut io::stdout().lock(), &FAILURE, text);
}

/// Whether everything that was said could be written: for the end of a command.
pub fn written() -> anyhow::Result<()> {
    told(&FAILURE)
}

/// Behind a line that is lost nothing is written.
fn put(out: &mut impl Write, failure: &OnceLock<String>, text: Arguments<'_>) {
    if failure.get().is_some() {
        return;
    }
    match out.write_fmt(text).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => failure.get_or_init(|| error.to_string()),
        _ => return,
    };
}

fn told(failure: &OnceLock<String>) -> anyhow::Result<()> {
    match failure.get() {
        Some(error) => Err(anyhow!("standard output cannot be written: {error}; name a place with room")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes.
    struct Place(Vec<u8>, ErrorKind);

    impl Write for Place {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > 8 {
                return Err(self.1.into());
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_place_is_told_at_the_end_and_a_closed_pipe_is_not() {
        for (kind, is_told) in [(ErrorKind::StorageFull, true), (ErrorKind::BrokenPipe, false)] {
            let (mut place, failure) = (Place(Vec::new(), kind), OnceLock::new());
            for text in ["one", "two and more", "3"] {
                put(&mut place, &failure, format_args!("{text}"));
            }
            assert_eq!(told(&failure).is_err(), is_told, "{kind}");
            let behind: &[u8] = if is_told { b"" } else { b"3\n" };
            assert_eq!(place.0, [b"one\n", behind].concat(), "{kind}");
        }
    }
}
