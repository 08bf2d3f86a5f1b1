//! Where a consumer stands in a log, and which history of the log that is.
//!
//! Each opening of a log begins an epoch. An offset alone does not name a record: a log restored from an older copy gives
//! the same offsets to other records. A position therefore carries the epochs that led to it, and is made and judged by
//! the log alone; a consumer stores it beside its rows, and gives back what it has stored.

use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The newest epochs that a position carries: enough to find where a lost history parted from the present one.
const EPOCHS_MAX: usize = 16;

/// The records from `start` up to the start of the next epoch were written in one opening of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    pub id: Uuid,
    pub start: u64,
}

/// The newest epochs of a log, oldest first. Empty in what was stored before positions carried one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(Vec<Epoch>);

/// A consumer has everything below an offset of a history. Which records these are only that log knows, so nobody else can
/// change a part of it: an offset of one history with the epochs of another would pass for a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    log: Uuid,
    lineage: Lineage,
    next_offset: u64,
}

/// A stored lineage that this program did not write.
#[derive(Debug, PartialEq, Eq)]
pub struct LineageError(String);

impl std::error::Error for LineageError {}

impl fmt::Display for LineageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} is no epoch of a log; restore the row of sink_positions from a copy", self.0)
    }
}

impl Position {
    /// How the consumers of a log remember an offset of it: for the log.
    pub fn of(log: Uuid, lineage: Lineage, next_offset: u64) -> Self {
        Self { log, lineage, next_offset }
    }

    /// The beginning of what is written under a name of its own and was never in a log: a computed history, events made anew.
    pub fn beginning(log: Uuid) -> Self {
        Self::of(log, Lineage::default(), 0)
    }

    /// What a database has stored of a log, see [`Self::next_offset`] and [`Self::history`].
    pub fn from_stored(log: Uuid, next_offset: u64, history: &str) -> Result<Self, LineageError> {
        Ok(Self::of(log, history.parse()?, next_offset))
    }

    /// Under which name the log is known.
    pub fn log(&self) -> Uuid {
        self.log
    }

    /// As it is stored and shown. Means something beside [`Self::history`] alone: where to go on is for the log to say.
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// As it is stored.
    pub fn history(&self) -> String {
        self.lineage.to_string()
    }

    /// For the log, which compares it with its own.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// What a consumer remembers once it has stored a batch that ends there, read from this history.
    pub fn moved_to(&self, next_offset: u64) -> Self {
        Self { next_offset, ..self.clone() }
    }

    /// The same in a log that is given another name.
    pub fn renamed(self, log: Uuid) -> Self {
        Self { log, ..self }
    }

    /// The shortest that can be stored in its place: the newest epoch is enough for the log to know its history by.
    pub fn newest_history(&self) -> String {
        Lineage(self.lineage.0.last().copied().into_iter().collect()).to_string()
    }
}

impl Lineage {
    /// The newest of `epochs`, which are in order.
    pub fn of(epochs: &[Epoch]) -> Self {
        Self(epochs[epochs.len().saturating_sub(EPOCHS_MAX)..].to_vec())
    }

    pub fn epochs(&self) -> &[Epoch] {
        &self.0
    }
}

/// How a lineage is stored: `<id>@<start>`, parted by blanks.
impl fmt::Display for Lineage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, epoch) in self.0.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(formatter, "{blank}{}@{}", epoch.id.simple(), epoch.start)?;
        }
        Ok(())
    }
}

impl FromStr for Lineage {
    type Err = LineageError;

    fn from_str(text: &str) -> Result<Self, LineageError> {
        let parse = |word: &str| {
            let (id, start) = word.split_once('@')?;
            Some(Epoch { id: Uuid::parse_str(id).ok()?, start: start.parse().ok()? })
        };
        let epochs = text.split_whitespace().map(|word| parse(word).ok_or_else(|| LineageError(word.to_owned())));
        Ok(Self(epochs.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(number: u128, start: u64) -> Epoch {
        Epoch { id: Uuid::from_u128(number), start }
    }

    #[test]
    fn a_lineage_survives_being_stored() {
        for count in [0, 1, 2, 40] {
            let epochs: Vec<Epoch> = (0..count).map(|number| epoch(number.into(), number * 7)).collect();
            let lineage = Lineage::of(&epochs);
            assert_eq!(lineage.to_string().parse(), Ok(lineage.clone()));
            assert_eq!(lineage.epochs().last(), epochs.last());
            assert!(lineage.epochs().len() <= EPOCHS_MAX);
        }
    }

    #[test]
    fn a_position_is_what_was_stored_of_it() {
        let log = Uuid::from_u128(9);
        let position = Position::of(log, Lineage::of(&[epoch(1, 0), epoch(2, 30)]), 40);
        let stored = (position.next_offset(), position.history());
        assert_eq!(Position::from_stored(log, stored.0, &stored.1), Ok(position.clone()));
        // A release without epochs stored no history.
        assert_eq!(Position::from_stored(log, 0, ""), Ok(Position::beginning(log)));
        let later = position.moved_to(50);
        assert_eq!((later.next_offset(), later.history(), later.log()), (50, position.history(), log));
        let renamed = position.clone().renamed(Uuid::from_u128(10));
        assert_eq!((renamed.log(), renamed.history()), (Uuid::from_u128(10), position.history()));
        assert_eq!(position.newest_history(), Lineage::of(&[epoch(2, 30)]).to_string());
        assert_eq!(Position::beginning(log).newest_history(), "");
    }

    #[test]
    fn what_is_no_lineage_is_refused() {
        for text in ["x", "0@1", "@", "00000000000000000000000000000001@-1", "00000000000000000000000000000001"] {
            assert!(text.parse::<Lineage>().is_err(), "{text}");
        }
    }
}
