//! A file becomes text, and text becomes rows.
//!
//! Understood: gzip, byte order marks, UTF-8, UTF-16 with its mark, and Latin-1 for what is none of these; all line ends;
//! quoted cells. Cells are trimmed, empty lines passed over; each row knows the line it begins on, as an editor counts.

use super::mapping::MappingError;
use csv::{ReaderBuilder, StringRecord, Trim};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// All records are held at once while they are sent.
const BYTES_MAX: u64 = 1 << 31;

pub fn read(path: &Path) -> Result<String, MappingError> {
    let wrong = |source| MappingError::Open { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(wrong)?;
    let (mut start, mut bytes) = (Vec::new(), Vec::new());
    file.by_ref().take(2).read_to_end(&mut start).map_err(wrong)?;
    let whole = start.as_slice().chain(file);
    let input: Box<dyn Read + '_> =
        if start == [0x1f, 0x8b] { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
    input.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(MappingError::TooLarge { path: path.to_owned(), gigabytes: BYTES_MAX >> 30 });
    }
    Ok(decoded(bytes))
}

fn decoded(bytes: Vec<u8>) -> String {
    let utf16 = |unit: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        _ => match String::from_utf8(bytes) {
            Ok(mut text) => {
                if text.starts_with('\u{feff}') {
                    text.drain(..'\u{feff}'.len_utf8());
                }
                text
            }
            Err(other) => other.into_bytes().into_iter().map(char::from).collect(),
        },
    }
}

/// One row and the line on which it begins.
#[derive(Clone, Debug)]
pub struct Row {
    pub line: u64,
    pub cells: StringRecord,
}

/// The rows of a text, of any lengths.
pub fn rows(text: &str, delimiter: char) -> impl Iterator<Item = Result<Row, csv::Error>> + '_ {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(u8::try_from(delimiter).unwrap_or(b','));
    builder.has_headers(false).flexible(true).trim(Trim::All);
    builder.from_reader(text.as_bytes()).into_records().map(move |record| {
        let cells = record?;
        let (at, line) = cells.position().map_or((0, 1), |position| (position.byte(), position.line()));
        // The reader's position is before the empty lines that it has passed over.
        let rest = &text.as_bytes()[usize::try_from(at).unwrap_or(usize::MAX).min(text.len())..];
        let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count();
        Ok(Row { line: line + empty as u64, cells })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "Zeit;Öl [°C]\r\n1;2";
        let utf16 = |mark: [u8; 2], of: fn(u16) -> [u8; 2]| {
            mark.into_iter().chain(text.encode_utf16().flat_map(of)).collect::<Vec<u8>>()
        };
        let latin1: Vec<u8> = text.chars().map(|c| u8::try_from(c).expect("Latin-1")).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            ["\u{feff}", text].concat().into_bytes(),
            utf16([0xff, 0xfe], u16::to_le_bytes),
            utf16([0xfe, 0xff], u16::to_be_bytes),
            latin1,
        ] {
            assert_eq!(decoded(bytes), text);
        }
    }

    #[test]
    fn rows_know_the_line_they_begin_on() {
        for end in ["\n", "\r\n"] {
            let text = ["Export", "", "a; b ", "\"x", "y\";2", "", "3;4"].join(end);
            let found: Vec<(u64, Vec<String>)> = rows(&text, ';')
                .map(|row| row.expect("readable"))
                .map(|row| (row.line, row.cells.iter().map(|cell| cell.replace("\r\n", "\n")).collect()))
                .collect();
            let expected = [(1, vec!["Export"]), (3, vec!["a", "b"]), (4, vec!["x\ny", "2"]), (7, vec!["3", "4"])];
            assert_eq!(found, expected.map(|(line, cells)| (line, cells.into_iter().map(str::to_owned).collect())));
        }
    }

    #[test]
    fn a_packed_file_is_unpacked_whatever_it_is_called() {
        use std::io::Write;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.csv");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"a,b\n").expect("packed");
        std::fs::write(&path, packed.finish().expect("packed")).expect("written");
        assert_eq!(read(&path).expect("readable"), "a,b\n");
        std::fs::write(&path, "x").expect("written");
        assert_eq!(read(&path).expect("readable"), "x");
    }
}
