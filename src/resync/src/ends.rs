//! What was made anew and has ended since: the stream told the end when the beginning was not there, so it found nothing to end.
//!
//! In: events that were made anew, and such as the stream told. Out: those of the stream that are to be told once more, because they end
//! what was made anew, and what had no end among them.

use genims_model::event::{FaultClosed, FaultOpened, LimitCrossed};
use genims_model::{Event, MachineNo, SensorNo};
use hashbrown::HashMap;

/// What begins and ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Thing {
    Fault(MachineNo, String, i64),
    /// Beyond a limit: which side, which level.
    Limit(SensorNo, bool, String),
    /// A tool is in the spindle.
    Tool(MachineNo),
    /// Somebody is at the machine.
    Operator(MachineNo),
}

/// What began in the gap and has not ended there.
#[derive(Default)]
pub(crate) struct Ends {
    open: HashMap<Thing, Event>,
}

impl Ends {
    /// The event was made anew, now or in an earlier run.
    pub(crate) fn made(&mut self, event: &Event) {
        if let Some(ended) = ended_by(event) {
            self.open.remove(&ended);
        }
        if let Some(begun) = begun_by(event) {
            self.open.insert(begun, event.clone());
        }
    }

    /// The stream told the event: whether it ends what was made anew.
    pub(crate) fn told(&mut self, event: &Event) -> bool {
        ended_by(event).is_some_and(|ended| self.open.remove(&ended).is_some())
    }

    /// What has no end yet, with the event that began it.
    pub(crate) fn open(&self) -> Vec<(Thing, Event)> {
        self.open.iter().map(|(thing, event)| (thing.clone(), event.clone())).collect()
    }
}

fn begun_by(event: &Event) -> Option<Thing> {
    Some(match event {
        Event::FaultOpened(FaultOpened { machine, fault_code, start_us, .. }) => {
            Thing::Fault(*machine, fault_code.clone(), *start_us)
        }
        Event::LimitCrossed(LimitCrossed { sensor, above, level, beyond: true, .. }) => {
            Thing::Limit(*sensor, *above, level.clone())
        }
        Event::ToolChanged { machine, .. } => Thing::Tool(*machine),
        Event::OperatorChanged { machine, to, .. } if !to.is_empty() => Thing::Operator(*machine),
        _ => return None,
    })
}

fn ended_by(event: &Event) -> Option<Thing> {
    Some(match event {
        Event::FaultClosed(FaultClosed { machine, fault_code, start_us, .. }) => {
            Thing::Fault(*machine, fault_code.clone(), *start_us)
        }
        Event::LimitCrossed(LimitCrossed { sensor, above, level, beyond: false, .. }) => {
            Thing::Limit(*sensor, *above, level.clone())
        }
        Event::ToolChanged { machine, .. } => Thing::Tool(*machine),
        Event::OperatorChanged { machine, .. } => Thing::Operator(*machine),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: MachineNo = MachineNo(4);

    fn operator(second: i64, from: &str, to: &str) -> Event {
        let (from, to) = (from.to_owned(), to.to_owned());
        Event::OperatorChanged { machine: MACHINE, timestamp_us: second, from, to, shift_id: None }
    }

    #[test]
    fn an_end_is_told_again_once_and_only_of_what_was_made_anew() {
        let tool = |second, to| Event::ToolChanged { machine: MACHINE, timestamp_us: second, from: 0, to };
        let mut ends = Ends::default();
        assert!(!ends.told(&operator(1, "", "A")) && !ends.told(&tool(1, 3)));
        ends.made(&operator(2, "A", "B"));
        ends.made(&tool(2, 5));
        ends.made(&operator(3, "B", "C"));
        assert_eq!(ends.open().len(), 2);
        assert!(ends.told(&operator(4, "C", "D")) && !ends.told(&operator(5, "D", "E")));
        assert!(ends.told(&tool(6, 7)) && ends.open().is_empty());
        // Nobody is there any more: nothing is left to end.
        ends.made(&operator(7, "E", "F"));
        ends.made(&operator(8, "F", ""));
        assert!(ends.open().is_empty());
    }
}
