//! Cuts a byte stream into blocks of whole lines.
//!
//! Enters the stream in pieces of any size; leaves the same blocks of lines, seen together, however it was cut. A line
//! that ends inside of quotes is held back for what may follow, within the limit. One
//! longer than the limit is passed over up to its newline: its head and true length are told, and it costs no more memory
//! than a dead letter keeps, nor than the connections have [`Room`] for together.

use super::room::{Room, Share};
use genims_decode::line_protocol::FEEDS_QUOTED_MAX;
use genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX;
use std::sync::Arc;

/// By how much room is asked for a head.
const HEAD_STEP_BYTES: usize = 64 * 1024;
/// What of a line is kept in any case.
const HEAD_BYTES_MIN: usize = 1024;

/// What [`Lines`] finds.
pub(super) trait Sink {
    /// Whole lines, newlines included; `lines` says how many.
    fn block(&mut self, block: &[u8], lines: u64);
    /// A line above the limit.
    fn overlong(&mut self, line: Overlong);
}

/// A line that is passed over.
#[derive(Debug)]
pub(super) struct Overlong {
    /// What is kept of it.
    pub(super) head: Vec<u8>,
    /// How long it is, as far as it has come.
    pub(super) bytes: u64,
    /// The room that the head takes; to be held as long as there is a copy of it on its way.
    pub(super) share: Share,
}

impl Overlong {
    fn take(&mut self, bytes: &[u8]) {
        let is_whole = self.head.len() as u64 == self.bytes;
        self.bytes += bytes.len() as u64;
        if !is_whole {
            // With a gap it would be another line.
            return;
        }
        let wanted = (self.head.len() + bytes.len()).min(PAYLOAD_KEPT_BYTES_MAX);
        if wanted > self.share.bytes() + HEAD_BYTES_MIN {
            let steps = wanted.next_multiple_of(HEAD_STEP_BYTES).min(PAYLOAD_KEPT_BYTES_MAX);
            self.share.grow(steps - self.share.bytes());
        }
        let room = wanted.min(self.share.bytes() + HEAD_BYTES_MIN);
        let kept = &bytes[..room.saturating_sub(self.head.len())];
        self.head.reserve_exact(kept.len());
        self.head.extend_from_slice(kept);
    }
}

/// The splitter of one stream.
#[derive(Debug)]
pub(super) struct Lines {
    line_bytes_max: usize,
    room: Arc<Room>,
    /// The line being passed over.
    overlong: Option<Overlong>,
}

impl Lines {
    pub(super) fn new(line_bytes_max: usize, room: Arc<Room>) -> Self {
        Self { line_bytes_max: line_bytes_max.max(1), room, overlong: None }
    }

    /// Takes what can be taken off `input` and returns how many bytes that was. What stays is the start of a line and is
    /// to be given again with more behind it.
    pub(super) fn take(&mut self, input: &[u8], sink: &mut impl Sink) -> usize {
        let mut start = 0;
        if self.overlong.is_some() {
            match memchr::memchr(b'\n', input) {
                Some(end) => {
                    self.pass_over(&input[..end]);
                    self.end_overlong(sink);
                    start = end + 1;
                }
                None => {
                    self.pass_over(input);
                    return input.len();
                }
            }
        }
        let mut block = start;
        let mut lines = 0;
        let searched = start;
        for end in memchr::memchr_iter(b'\n', &input[searched..]).map(|at| searched + at) {
            if end - start > self.line_bytes_max {
                flush(sink, &input[block..start], &mut lines);
                self.pass_over(&input[start..end]);
                self.end_overlong(sink);
                block = end + 1;
            } else {
                lines += 1;
            }
            start = end + 1;
        }
        if input.len() - start > self.line_bytes_max {
            flush(sink, &input[block..start], &mut lines);
            self.pass_over(&input[start..]);
            return input.len();
        }
        if let Some((open, held)) = open_quotes(&input[block..start]).map(|(at, held)| (block + at, held))
            && input.len() - open <= self.line_bytes_max
        {
            lines -= held;
            start = open;
        }
        flush(sink, &input[block..start], &mut lines);
        start
    }

    /// The stream has ended: `rest`, what [`Lines::take`] has left, is lines held back or one without its newline.
    pub(super) fn finish(&mut self, rest: &[u8], sink: &mut impl Sink) {
        self.end_overlong(sink);
        if !rest.is_empty() {
            let held = memchr::memchr_iter(b'\n', rest).count() as u64;
            sink.block(rest, held + u64::from(!rest.ends_with(b"\n")));
        }
    }

    fn pass_over(&mut self, bytes: &[u8]) {
        let new = || Overlong { head: Vec::new(), bytes: 0, share: self.room.share() };
        self.overlong.get_or_insert_with(new).take(bytes);
    }

    fn end_overlong(&mut self, sink: &mut impl Sink) {
        if let Some(line) = self.overlong.take() {
            sink.overlong(line);
        }
    }
}

/// Where the last line begins whose text in quotes may go on behind the end of `lines`, and how many lines that holds back.
fn open_quotes(lines: &[u8]) -> Option<(usize, u64)> {
    let mut open: Option<(usize, u64)> = None;
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', lines) {
        let line = &lines[start..end];
        let escaped = |at: usize| line[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
        let odd = memchr::memchr_iter(b'"', line).filter(|at| !escaped(*at)).count() % 2 == 1;
        open = match (open, odd) {
            (None, true) => Some((start, 1)),
            (Some((at, held)), false) if held <= FEEDS_QUOTED_MAX as u64 => Some((at, held + 1)),
            _ => None,
        };
        start = end + 1;
    }
    open
}

fn flush(sink: &mut impl Sink, block: &[u8], lines: &mut u64) {
    if *lines > 0 {
        sink.block(block, std::mem::take(lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        bytes: Vec<u8>,
        lines: u64,
        overlong: Vec<(Vec<u8>, u64)>,
    }

    impl Sink for Seen {
        fn block(&mut self, block: &[u8], lines: u64) {
            assert!(lines > 0);
            self.bytes.extend_from_slice(block);
            self.lines += lines;
        }

        fn overlong(&mut self, line: Overlong) {
            self.overlong.push((line.head, line.bytes));
        }
    }

    /// Feeds the stream in pieces, as a connection does.
    fn split(stream: &[u8], pieces: &[usize], line_bytes_max: usize) -> Seen {
        let (mut lines, mut seen, mut input) =
            (Lines::new(line_bytes_max, Room::new(1 << 30)), Seen::default(), Vec::new());
        let (mut rest, mut pieces) = (stream, pieces.iter().cycle());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*pieces.next().unwrap_or(&1)).clamp(1, rest.len()));
            rest = behind;
            input.extend_from_slice(piece);
            let taken = lines.take(&input, &mut seen);
            input.drain(..taken);
            assert!(input.len() <= line_bytes_max);
        }
        lines.finish(&input, &mut seen);
        seen
    }

    #[test]
    fn an_overlong_line_is_told_and_the_next_line_is_whole() {
        let seen = split(b"a\nlonglong\nb\nc", &[64], 4);
        assert_eq!(seen.bytes, b"a\nb\nc");
        assert_eq!((seen.lines, seen.overlong), (3, vec![(b"longlong".to_vec(), 8)]));
    }

    #[test]
    fn an_overlong_last_line_without_newline_is_told() {
        assert_eq!(split(b"longlong", &[3], 4).overlong, [(b"longlong".to_vec(), 8)]);
    }

    #[test]
    fn text_in_quotes_stays_together_however_the_stream_is_cut() {
        let stream = b"M a=1\nM note=\"x\ny \\\" z\n\",T=1\nM b=2\nM c=\"lost\n";
        for pieces in [&[1][..], &[7, 3], &[100]] {
            let (mut lines, mut blocks) = (Lines::new(64, Room::new(0)), Blocks::default());
            let (mut input, mut rest, mut pieces) = (Vec::new(), &stream[..], pieces.iter().cycle());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at((*pieces.next().unwrap_or(&1)).min(rest.len()));
                input.extend_from_slice(piece);
                rest = behind;
                let taken = lines.take(&input, &mut blocks);
                input.drain(..taken);
            }
            lines.finish(&input, &mut blocks);
            let quoted = "M note=\"x\ny \\\" z\n\",T=1\n";
            assert!(blocks.0.iter().any(|block| block.contains(quoted)), "{:?}", blocks.0);
            assert_eq!(blocks.0.concat().as_bytes(), stream);
        }
    }

    #[derive(Default)]
    struct Blocks(Vec<String>);

    impl Sink for Blocks {
        fn block(&mut self, block: &[u8], _: u64) {
            self.0.push(String::from_utf8_lossy(block).into_owned());
        }

        fn overlong(&mut self, _: Overlong) {
            unreachable!("no line is too long");
        }
    }

    #[test]
    fn the_head_of_an_overlong_line_is_bounded() {
        let length = PAYLOAD_KEPT_BYTES_MAX + 200_000;
        let seen = split(&vec![b'x'; length], &[10_000], 4);
        assert_eq!((seen.overlong[0].0.len(), seen.overlong[0].1), (PAYLOAD_KEPT_BYTES_MAX, length as u64));
    }

    #[test]
    fn the_heads_of_all_connections_share_their_room_and_give_it_back() {
        let room = Room::new(3 * HEAD_STEP_BYTES);
        let long = vec![b'x'; PAYLOAD_KEPT_BYTES_MAX + 7];
        let overlong = |lines: &mut Lines| {
            let mut seen = Vec::new();
            assert_eq!(lines.take(&long, &mut Heads(&mut seen)), long.len());
            lines.take(b"\n", &mut Heads(&mut seen));
            let Ok([line]) = <[Overlong; 1]>::try_from(seen) else { panic!("one line") };
            assert_eq!(line.bytes, long.len() as u64);
            line
        };
        let mut all: Vec<Lines> = (0..20).map(|_| Lines::new(4, room.clone())).collect();
        let heads: Vec<Overlong> = all.iter_mut().map(overlong).collect();
        let kept: usize = heads.iter().map(|line| line.head.capacity()).sum();
        assert!(kept <= 3 * HEAD_STEP_BYTES + 20 * HEAD_BYTES_MIN, "{kept}");
        assert!(heads.iter().all(|line| line.head.len() >= HEAD_BYTES_MIN), "something of each");
        drop(heads);
        assert!(overlong(&mut all[0]).head.len() > 2 * HEAD_STEP_BYTES, "there is room again");
    }

    struct Heads<'s>(&'s mut Vec<Overlong>);

    impl Sink for Heads<'_> {
        fn block(&mut self, _: &[u8], _: u64) {
            unreachable!("every line is too long");
        }

        fn overlong(&mut self, line: Overlong) {
            self.0.push(line);
        }
    }

    proptest! {
        #[test]
        fn the_lines_do_not_depend_on_how_the_stream_was_cut(
            stream in "[ab\n]{0,200}", pieces in prop::collection::vec(1_usize..40, 1..20), limit in 1_usize..8,
        ) {
            let whole = split(stream.as_bytes(), &[stream.len().max(1)], limit);
            prop_assert_eq!(&split(stream.as_bytes(), &pieces, limit), &whole);
            let expected: Vec<&str> = stream.split_inclusive('\n').collect();
            let short = expected.iter().filter(|line| line.trim_end_matches('\n').len() <= limit);
            prop_assert_eq!(whole.bytes, short.copied().collect::<String>().into_bytes());
            prop_assert_eq!(whole.lines + whole.overlong.len() as u64, expected.len() as u64);
        }
    }
}
