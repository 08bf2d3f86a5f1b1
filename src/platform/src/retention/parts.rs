//! What of a table goes at once, and what became of it.

/// A partition, or a day of the default one.
pub(super) struct Part {
    /// The partition.
    pub(super) relation: String,
    /// Of the default partition a day, as PostgreSQL writes it.
    pub(super) day: Option<String>,
    pub(super) rows: u64,
}

impl Part {
    pub(super) fn name(&self) -> String {
        self.day.as_ref().map_or_else(|| self.relation.clone(), |day| format!("{day} in {}", self.relation))
    }

    /// That the row `t` belongs to it.
    pub(super) fn condition(&self, time: &str) -> String {
        let of_day = |day: &String| format!("t.{time} >= date '{day}' AND t.{time} < date '{day}' + 1");
        self.day.as_ref().map_or_else(|| "true".to_owned(), of_day)
    }
}

/// How an attempt to drop a part ended.
pub(super) enum Dropped {
    Gone(u64),
    /// It has other rows than the archive.
    Changed,
    /// The law holds some of it by now: which hold.
    Held(String),
    /// The legal holds cannot be read any more: why.
    HoldsUnknown(String),
    /// Somebody held it all the while: what was tried.
    InUse(String),
}

/// What became of a part. The reason for one that is blocked names what has to be mended before it can go.
pub(super) enum PartOutcome {
    Gone(u64),
    Held(String),
    /// For a reason that holds for those after it as well.
    AllHeld(String),
    Blocked(String),
    AllBlocked(String),
}

pub(super) fn not_archived(why: &str) -> String {
    format!("not archived: {why}")
}

/// What is late cannot be added to a minute: MongoDB changes no document of a time series. Of readings that went a document is the
/// only copy, so a document may go only where `has_all`: the table still has whatever the documents stand for.
pub(super) fn differs(part: &str, table: &str, minutes: u64, has_all: bool) -> String {
    let stand = if minutes == 1 { "stands" } else { "stand" };
    let minutes = genims_model::counted(minutes, "minute");
    let what = format!("{minutes} of {part} {stand} in the archive with another number of readings");
    if has_all {
        return format!(
            "{what}, for some came later, and no row of that day has gone yet: delete the documents of these minutes, not the \
             rows, and run this again"
        );
    }
    format!(
        "{what}, for some came later, when others had gone: delete no document, they are all that is left of those; copy these \
         rows, which stand nowhere else, out of {table}, delete them there when the copy is safe, and run this again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_delete_the_only_copy() {
        let gone = differs("2020-05-28 in d", "sensor_data", 2, false);
        assert!(gone.contains("delete no document") && gone.contains("out of sensor_data"), "{gone}");
        let whole = differs("2020-05-28 in d", "sensor_data", 2, true);
        assert!(whole.contains("delete the documents of these minutes, not the rows"), "{whole}");
    }
}
