//! Who sends how much: what the snapshot says of clients, and their table on the page. Enters: what listeners counted. Leaves: the
//! busiest first, and the sum of the others.

use super::format;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// So many are told one by one; `/api/v1/talkers` has them all.
pub const TALKERS_MAX: usize = 1_024;
/// So many a snapshot says when it is written: it goes out every second.
const IN_SNAPSHOT_MAX: usize = 50;
const ON_PAGE_MAX: usize = 10;

/// One client at one listener. Counts are since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TalkerReport {
    pub listener: String,
    /// Its account, else its client id (behind `anonymous: ` where others have accounts), else its address.
    pub client: String,
    /// Open now.
    pub connections: u64,
    /// Records received a second, over the last five to ten seconds.
    pub received_per_second: f64,
    pub received: u64,
    pub bytes: u64,
    /// Of these records, what its listener set aside; what the analysis sets aside later is counted by reason alone.
    pub dead_letters: u64,
    /// How often it waited because it had sent as much as it may.
    pub waits: u64,
}

/// All others together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OthersReport {
    /// One that came again after it was forgotten counts again.
    pub clients: u64,
    pub received: u64,
    pub bytes: u64,
    pub dead_letters: u64,
    pub waits: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TalkersReport {
    /// The busiest first: 1,024 at most, of which a snapshot says 50 when it is written.
    #[serde(serialize_with = "first")]
    pub busiest: Vec<TalkerReport>,
    /// Beyond these, and those that were forgotten after they had left.
    pub others: OthersReport,
}

fn first<S: Serializer>(busiest: &[TalkerReport], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(busiest.iter().take(IN_SNAPSHOT_MAX))
}

impl TalkersReport {
    /// `talkers` of all listeners, in whatever order; `others` are those that are not among them.
    pub fn new(mut talkers: Vec<TalkerReport>, mut others: OthersReport) -> Self {
        talkers.sort_by(|one, other| {
            let by_rate = other.received_per_second.total_cmp(&one.received_per_second);
            by_rate.then(other.received.cmp(&one.received))
        });
        for beyond in talkers.drain(TALKERS_MAX.min(talkers.len())..) {
            others.clients += 1;
            others.received += beyond.received;
            others.bytes += beyond.bytes;
            others.dead_letters += beyond.dead_letters;
            others.waits += beyond.waits;
        }
        Self { busiest: talkers, others }
    }

    /// What the page says.
    pub(crate) fn rows(&self) -> Vec<TalkerRow<'_>> {
        self.busiest.iter().take(ON_PAGE_MAX).map(TalkerRow::new).collect()
    }

    /// How many clients the page leaves out.
    pub(crate) fn unshown(&self) -> u64 {
        self.busiest.len().saturating_sub(ON_PAGE_MAX) as u64 + self.others.clients
    }
}

pub(crate) struct TalkerRow<'a> {
    pub(crate) client: &'a str,
    pub(crate) listener: &'a str,
    pub(crate) level: &'static str,
    /// Rate, received, bytes, set aside, waits, connections.
    pub(crate) numbers: [String; 6],
}

impl<'a> TalkerRow<'a> {
    fn new(talker: &'a TalkerReport) -> Self {
        Self {
            client: &talker.client,
            listener: &talker.listener,
            level: talker.level(),
            numbers: [
                format::rate(talker.received_per_second),
                format::count(talker.received),
                format::bytes(talker.bytes),
                format::count(talker.dead_letters),
                format::count(talker.waits),
                format::count(talker.connections),
            ],
        }
    }
}

impl TalkerReport {
    /// Whoever sends what cannot be stored, or more than it may, is worth a look.
    pub fn level(&self) -> &'static str {
        if self.dead_letters > 0 || self.waits > 0 { "warn" } else { "plain" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_are_told_and_written_first_and_nothing_of_the_others_is_lost() {
        let talker = |no: u64| TalkerReport {
            client: no.to_string(),
            received_per_second: (no % 7) as f64,
            received: no,
            bytes: 2 * no,
            dead_letters: 1,
            waits: 3,
            ..TalkerReport::default()
        };
        let forgotten = OthersReport { clients: 5, received: 100, ..OthersReport::default() };
        let report = TalkersReport::new((1..=2_000).map(talker).collect(), forgotten);
        let first: Vec<&str> = report.busiest[..2].iter().map(|talker| talker.client.as_str()).collect();
        assert_eq!(first, ["1994", "1987"], "of those with the highest rate, who has sent most");
        assert_eq!((report.busiest.len(), report.others.clients), (TALKERS_MAX, 2_000 - TALKERS_MAX as u64 + 5));
        let received = report.busiest.iter().map(|talker| talker.received).sum::<u64>() + report.others.received;
        assert_eq!(received, 2_000 * 2_001 / 2 + 100);
        assert_eq!(report.others.waits, 3 * (report.others.clients - 5));
        let written = serde_json::to_value(&report).expect("JSON");
        assert_eq!(written["busiest"].as_array().map(Vec::len), Some(IN_SNAPSHOT_MAX));
        assert_eq!(written["busiest"][0]["client"], "1994");
        let read: TalkersReport = serde_json::from_value(written).expect("the same form");
        assert_eq!((read.busiest[0].clone(), read.others), (report.busiest[0].clone(), report.others));
        assert_eq!(report.rows().len(), ON_PAGE_MAX);
        assert_eq!(report.rows()[0].numbers[1], "1\u{a0}994");
        assert_eq!(report.unshown(), 2_005 - ON_PAGE_MAX as u64);
    }
}
