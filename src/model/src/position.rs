//! Where a consumer stands in a log, and which history of the log that is.
//!
//! Each opening of a log begins an epoch. An offset alone does not name a record: a log restored from an older copy gives
//! the same offsets to other records. A position therefore carries the epochs that led to it, and only the log judges
//! it; a consumer stores it beside its rows and looks at the offset alone.

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

/// A consumer has everything below `offset` of the history that `lineage` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub log: Uuid,
    pub lineage: Lineage,
    pub offset: u64,
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
    fn what_is_no_lineage_is_refused() {
        for text in ["x", "0@1", "@", "00000000000000000000000000000001@-1", "00000000000000000000000000000001"] {
            assert!(text.parse::<Lineage>().is_err(), "{text}");
        }
    }
}
