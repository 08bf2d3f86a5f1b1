//! With which marks the numbers of a file are written: told by all cells together, never by one that can be read in two ways.
//!
//! Cells enter, [`Told`] leaves. `1.234` alone says nothing: where other cells have a decimal comma its point parts thousands,
//! where others have a decimal point it is one, and where no cell tells, that is said.

use super::cells::Marks;
use super::text::Row;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub marks: Marks,
    /// What somebody should look at, and what to write then.
    pub doubt: Option<String>,
}

/// What one cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    Decimal(Mark),
    /// Between groups of three.
    Thousands(Mark),
    Both(Mark),
    /// One mark with three digits behind it.
    Either(Mark),
    /// None of them, with blanks at most.
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Point,
    Comma,
}

use Mark::{Comma, Point};

impl Mark {
    fn char(self) -> char {
        match self {
            Point => '.',
            Comma => ',',
        }
    }

    fn other(self) -> Self {
        match self {
            Point => Comma,
            Comma => Point,
        }
    }
}

/// So many cells said it, and the first of them.
#[derive(Clone, Copy, Debug, Default)]
struct Count<'r> {
    cells: usize,
    first: &'r str,
}

impl<'r> Count<'r> {
    fn add(&mut self, cell: &'r str) {
        if self.cells == 0 {
            self.first = cell;
        }
        self.cells += 1;
    }
}

#[derive(Debug, Default)]
struct Counts<'r> {
    decimal: [Count<'r>; 2],
    thousands: [Count<'r>; 2],
    either: [Count<'r>; 2],
    blanks: usize,
}

impl<'r> Counts<'r> {
    fn see(&mut self, cell: &'r str) {
        match evidence(cell) {
            Some(Evidence::Decimal(mark)) => self.decimal[mark as usize].add(cell),
            Some(Evidence::Thousands(mark)) => self.thousands[mark as usize].add(cell),
            Some(Evidence::Both(decimal)) => {
                self.decimal[decimal as usize].add(cell);
                self.thousands[decimal.other() as usize].add(cell);
            }
            Some(Evidence::Either(mark)) => self.either[mark as usize].add(cell),
            Some(Evidence::Whole) => {}
            None => return,
        }
        self.blanks += usize::from(cell.contains(char::is_whitespace));
    }

    fn decimal(&self) -> Mark {
        let of = |counts: &[Count<'_>; 2]| counts[Point as usize].cells.cmp(&counts[Comma as usize].cells);
        let (decimal, thousands, either) = (of(&self.decimal), of(&self.thousands), of(&self.either));
        // What parts thousands is no decimal mark.
        match decimal.then(thousands.reverse()).then(either) {
            std::cmp::Ordering::Less => Comma,
            _ => Point,
        }
    }

    fn doubt(&self, decimal: Mark) -> Option<String> {
        let (own, other) = (decimal as usize, decimal.other() as usize);
        let (mark, other_mark) = (decimal.char(), decimal.other().char());
        let is_sure = self.decimal[own].cells + self.thousands[other].cells > 0;
        if self.decimal[own].cells > 0 && self.decimal[other].cells > 0 {
            let (one, two) = (self.decimal[own].first, self.decimal[other].first);
            return Some(format!("numbers are written in two ways, like {one} and {two}: the second will not be read"));
        }
        if self.thousands[own].cells > 0 {
            let (one, two) = (self.thousands[own].first, self.decimal[own].first);
            return Some(format!("numbers are written in two ways, like {one} and {two}: the first will not be read"));
        }
        if is_sure || self.either[own].cells == 0 {
            return None;
        }
        let cell = self.either[own].first;
        if self.either[other].cells > 0 {
            let two = self.either[other].first;
            return Some(format!("{cell} and {two} can each be read in two ways: the second will not be read"));
        }
        let (as_decimal, as_whole) = (cell.replace(mark, "."), cell.replace(mark, ""));
        Some(format!(
            "every number with a {mark} has three digits behind it: {cell} is taken for {as_decimal}; if it is {as_whole}, \
             write decimal = \"{other_mark}\" and thousands = \"{mark}\""
        ))
    }
}

/// The marks of the cells of all columns that are not `passed_over`.
pub fn told(rows: &[Row], passed_over: &[usize]) -> Told {
    let mut counts = Counts::default();
    for row in rows {
        let cells = row.cells.iter().enumerate().filter(|(at, _)| !passed_over.contains(at));
        cells.for_each(|(_, cell)| counts.see(cell));
    }
    let decimal = counts.decimal();
    let (own, other) = (decimal as usize, decimal.other() as usize);
    let is_parted = counts.thousands[other].cells > 0
        || (counts.either[other].cells > 0 && counts.decimal[own].cells > 0 && counts.decimal[other].cells == 0);
    let thousands = is_parted.then(|| decimal.other().char()).or((counts.blanks > 0).then_some(' '));
    Told { marks: Marks { decimal: decimal.char(), thousands }, doubt: counts.doubt(decimal) }
}

fn evidence(cell: &str) -> Option<Evidence> {
    let body = cell.trim_start_matches(['+', '-']);
    let (digits, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], &body[at..]),
        None => (body, ""),
    };
    let reads =
        |decimal: Mark, thousands: Option<char>| (Marks { decimal: decimal.char(), thousands }).number(cell).is_some();
    let has_blanks = digits.contains(char::is_whitespace);
    let parted = has_blanks.then_some(' ');
    let (points, commas) = (digits.matches('.').count(), digits.matches(',').count());
    match (points, commas) {
        (0, 0) => reads(Point, parted).then_some(Evidence::Whole),
        (1, 0) | (0, 1) => {
            let mark = if points == 1 { Point } else { Comma };
            let (whole, behind) = digits.split_once(mark.char())?;
            let could_part = behind.len() == 3
                && (1..=3).contains(&whole.len())
                && !whole.starts_with('0')
                && exponent.is_empty()
                && !has_blanks;
            match reads(mark, parted) {
                true if could_part => Some(Evidence::Either(mark)),
                true => Some(Evidence::Decimal(mark)),
                false => None,
            }
        }
        (2.., 0) => reads(Comma, Some('.')).then_some(Evidence::Thousands(Point)),
        (0, 2..) => reads(Point, Some(',')).then_some(Evidence::Thousands(Comma)),
        _ => {
            let decimal = if digits.rfind('.') > digits.rfind(',') { Point } else { Comma };
            reads(decimal, Some(decimal.other().char())).then_some(Evidence::Both(decimal))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::text;

    fn of(cells: &[&str]) -> (char, Option<char>, String) {
        let text: String = cells.iter().map(|cell| format!("{cell};\n")).collect();
        let rows: Vec<Row> = text::rows(&text, ';').map(|row| row.expect("readable")).collect();
        let told = told(&rows, &[]);
        (told.marks.decimal, told.marks.thousands, told.doubt.unwrap_or_default())
    }

    #[test]
    fn all_cells_together_tell_the_marks() {
        for (cells, decimal, thousands) in [
            (["1,5", "2", "3,25"], ',', None),
            (["1.5", "2", ""], '.', None),
            (["1.234,5", "2", ""], ',', Some('.')),
            (["1,234.5", "2", ""], '.', Some(',')),
            (["1.234.567", "2,5", "1,5"], ',', Some('.')),
            (["1.234.567", "2", ""], ',', Some('.')),
            (["1\u{a0}234,5", "7,5", ""], ',', Some(' ')),
            (["1 234", "7", ""], '.', Some(' ')),
            (["1", "2", ""], '.', None),
            // Alone it says nothing; beside others it does.
            (["1.234", "2,5", ""], ',', Some('.')),
            (["1,234", "2.5", ""], '.', Some(',')),
            (["1.234", "2.5", ""], '.', None),
            (["1,234", "0,125", ""], ',', None),
            (["12.345", "0.125", "x"], '.', None),
            (["1.234", "1.5E+3", "13.02.2024"], '.', None),
        ] {
            assert_eq!(of(&cells), (decimal, thousands, String::new()), "{cells:?}");
        }
    }

    #[test]
    fn what_no_cell_tells_is_said_with_what_to_write() {
        let (decimal, thousands, doubt) = of(&["1.234", "20.500", "7"]);
        assert_eq!((decimal, thousands), ('.', None));
        for part in ["1.234 is taken for 1.234; if it is 1234", "decimal = \",\" and thousands = \".\""] {
            assert!(doubt.contains(part), "{doubt}");
        }
        assert!(of(&["1,234", "20,500"]).2.contains("1,234 is taken for 1.234; if it is 1234"));
        assert!(of(&["1.5", "2.5", "2,5"]).2.contains("like 1.5 and 2,5: the second"));
        assert!(of(&["1.234", "2,345"]).2.contains("2,345 can each be read in two ways"));
        assert!(of(&["1.234.567", "2.5", "3.5"]).2.contains("like 1.234.567 and 2.5: the first"));
    }
}
