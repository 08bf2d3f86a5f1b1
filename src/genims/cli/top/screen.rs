//! What `genims top` shows and how keys change it. Enters: snapshots, keys, and what time it is. Leaves: an order of flows, one of
//! which is chosen, or the top talkers, and how old it all is.

use genims_api::board;
use genims_api::snapshot::{Flow, ServerSnapshot};
use genims_api::talkers::TalkerReport;
use ratatui::crossterm::event::KeyCode;
use std::cmp::Ordering;
use std::time::{Duration, Instant};

/// What is older is said to be old.
const OLD: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    State,
    Rate,
    Pending,
    Age,
    Quarantined,
}

/// The keys that sort, each beside the column.
pub(super) const SORTS: [(char, Sort); 6] = [
    ('n', Sort::Name),
    ('s', Sort::State),
    ('r', Sort::Rate),
    ('p', Sort::Pending),
    ('a', Sort::Age),
    ('x', Sort::Quarantined),
];

pub(super) struct Screen {
    pub(super) url: String,
    pub(super) snapshot: Option<ServerSnapshot>,
    arrived: Option<Instant>,
    /// Why the last question was not answered.
    pub(super) away: Option<String>,
    pub(super) sort: Sort,
    /// The chosen flow, by its name: it stays chosen wherever the order puts it.
    chosen: Option<String>,
    pub(super) is_detailed: bool,
    /// In place of the flows.
    pub(super) shows_talkers: bool,
    /// Their line that is in view, from the top.
    pub(super) talker: usize,
}

impl Screen {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            snapshot: None,
            arrived: None,
            away: None,
            sort: Sort::State,
            chosen: None,
            is_detailed: false,
            shows_talkers: false,
            talker: 0,
        }
    }

    pub(super) fn saw(&mut self, seen: Result<ServerSnapshot, String>, now: Instant) {
        match seen {
            Ok(snapshot) => {
                (self.snapshot, self.arrived, self.away) = (Some(snapshot), Some(now), None);
            }
            Err(cause) => self.away = Some(cause),
        }
    }

    /// How old what is shown is, where that is worth saying.
    pub(super) fn old(&self, now: Instant) -> Option<Duration> {
        self.arrived.map(|at| now.saturating_duration_since(at)).filter(|age| *age > OLD || self.away.is_some())
    }

    /// Whether it goes on.
    pub(super) fn press(&mut self, key: KeyCode) -> bool {
        match key {
            KeyCode::Char('q') => return false,
            KeyCode::Char('t') => (self.shows_talkers, self.is_detailed) = (!self.shows_talkers, false),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => {
                (self.shows_talkers, self.is_detailed) = (false, false)
            }
            KeyCode::Enter | KeyCode::Right if self.shows_talkers => {}
            KeyCode::Enter | KeyCode::Right => self.is_detailed = !self.flows().is_empty(),
            KeyCode::Down | KeyCode::Char('j') => self.choose(1),
            KeyCode::Up | KeyCode::Char('k') => self.choose(-1),
            KeyCode::PageDown => self.choose(10),
            KeyCode::PageUp => self.choose(-10),
            KeyCode::Home => self.choose(isize::MIN),
            KeyCode::End => self.choose(isize::MAX),
            KeyCode::Char(pressed) => {
                if let Some((_, sort)) = SORTS.iter().find(|(key, _)| *key == pressed) {
                    self.sort = *sort;
                }
            }
            _ => {}
        }
        true
    }

    fn choose(&mut self, by: isize) {
        if self.shows_talkers {
            self.talker = self.talker.saturating_add_signed(by).min(self.talkers().len().saturating_sub(1));
            return;
        }
        let flows = self.flows();
        let at = self.chosen_at(&flows).unwrap_or(0).saturating_add_signed(by).min(flows.len().saturating_sub(1));
        self.chosen = flows.get(at).map(|flow| flow.name.clone());
    }

    fn chosen_at(&self, flows: &[&Flow]) -> Option<usize> {
        flows.iter().position(|flow| Some(&flow.name) == self.chosen.as_ref())
    }

    /// The busiest first.
    pub(super) fn talkers(&self) -> &[TalkerReport] {
        let known = self.snapshot.as_ref();
        known.map(|snapshot| snapshot.talkers.busiest.as_slice()).unwrap_or_default()
    }

    /// In their order.
    pub(super) fn flows(&self) -> Vec<&Flow> {
        let mut flows: Vec<&Flow> = self.snapshot.iter().flat_map(|snapshot| &snapshot.flows).collect();
        // What is stable: equal ones stay as the server names them.
        flows.sort_by(|one, other| self.order(one, other));
        flows
    }

    /// What asks for attention comes first.
    fn order(&self, one: &Flow, other: &Flow) -> Ordering {
        let badness = |flow: &Flow| match board::level(flow) {
            "bad" => 2,
            "warn" => 1,
            _ => 0,
        };
        match self.sort {
            Sort::Name => one.name.cmp(&other.name),
            Sort::State => badness(other).cmp(&badness(one)),
            Sort::Rate => other.rate_per_second.total_cmp(&one.rate_per_second),
            Sort::Pending => other.pending.cmp(&one.pending),
            Sort::Age => other.pending_seconds.total_cmp(&one.pending_seconds),
            Sort::Quarantined => other.quarantined.cmp(&one.quarantined),
        }
    }

    /// The chosen one's place among `flows`: the first, until another is chosen.
    pub(super) fn selected(&self, flows: &[&Flow]) -> Option<usize> {
        self.chosen_at(flows).or((!flows.is_empty()).then_some(0))
    }
}
