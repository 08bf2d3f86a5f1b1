//! Writing to standard output. A reader that has seen enough (`| head`) is no failure: the rest of the text is dropped and
//! the command ends with the exit code of what it found. Any other failure to write ends it as an error.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process;

/// `println!` for commands.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::line(format_args!($($text)*)) };
}

pub fn line(text: Arguments<'_>) {
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("standard output cannot be written: {error}; name a place with room");
            process::exit(1);
        }
        _ => {}
    }
}
