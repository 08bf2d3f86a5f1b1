//! When a limit crossing becomes a fault, and when it is over.
//!
//! Hysteresis in time and value ([`crate::watch`]): a few critical readings in a row open a fault; it closes after a few in a
//! row that lie inside the limit by a margin. A value that dances on the limit therefore makes one fault, not hundreds.
//! Readings that come out of order do not take part.

use crate::watch::{Change, Watch, margin};
use genims_catalogue::{Limits, Sensor};
use genims_model::event::{FaultClosed, FaultOpened};
use genims_model::{Event, MachineNo, SensorNo};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Low,
    High,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::High => "HIGH",
        }
    }

    fn limit(self, limits: &Limits) -> Option<f64> {
        match self {
            Self::Low => limits.critical_min,
            Self::High => limits.critical_max,
        }
    }
}

/// Both critical limits of one sensor.
#[derive(Clone, Copy, Debug, Default)]
pub struct FaultWatch {
    low: Watch,
    high: Watch,
}

/// Who a fault belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub machine: MachineNo,
    pub no: SensorNo,
    pub sensor: &'a Sensor,
}

impl FaultWatch {
    /// Feeds one in-order reading.
    pub fn see(&mut self, owner: Owner<'_>, timestamp_us: i64, value: f64, events: &mut Vec<Event>) {
        let limits = &owner.sensor.limits;
        if let Some(limit) = limits.critical_min {
            let change = self.low.see(timestamp_us, value < limit, value >= limit + margin(limits, limit));
            events.extend(change.map(|change| event(owner, Side::Low, limit, value, timestamp_us, change)));
        }
        if let Some(limit) = limits.critical_max {
            let change = self.high.see(timestamp_us, value > limit, value <= limit - margin(limits, limit));
            events.extend(change.map(|change| event(owner, Side::High, limit, value, timestamp_us, change)));
        }
    }

    /// Takes up a fault that was open before a restart.
    pub fn resume(&mut self, side: Side, start_us: i64) {
        let watch = match side {
            Side::Low => &mut self.low,
            Side::High => &mut self.high,
        };
        *watch = Watch::open_since(start_us);
    }

    /// Ends what is open: the sensor is no longer what it was.
    pub fn end(&mut self, owner: Owner<'_>, now_us: i64, events: &mut Vec<Event>) {
        self.end_where(owner, now_us, events, |_| true);
    }

    /// Ends what a changed sensor can no longer end by its readings: it is retired, its code is another, its limit is
    /// gone.
    pub fn follow(&mut self, owner: Owner<'_>, changed: &Sensor, now_us: i64, events: &mut Vec<Event>) {
        let lost = !changed.active || owner.sensor.sensor_code != changed.sensor_code;
        self.end_where(owner, now_us, events, |side| lost || side.limit(&changed.limits).is_none());
    }

    fn end_where(&mut self, owner: Owner<'_>, now_us: i64, events: &mut Vec<Event>, over: impl Fn(Side) -> bool) {
        for (side, watch) in [(Side::Low, &mut self.low), (Side::High, &mut self.high)] {
            if over(side)
                && let Some(start_us) = std::mem::take(watch).open_since_us
            {
                let end_us = now_us.max(start_us);
                events.push(closed(owner.machine, fault_code(owner.sensor, side), start_us, end_us));
            }
        }
    }
}

/// The code of a sensor's fault: its code (or id) and the side, at most 50 characters.
pub fn fault_code(sensor: &Sensor, side: Side) -> String {
    let name = sensor.sensor_code.as_deref().unwrap_or(&sensor.sensor_id);
    let kept: String = name.chars().take(45).collect();
    format!("{kept}_{}", side.word())
}

/// Whether readings of the sensor can end a fault with this code.
pub fn can_end(sensor: &Sensor, side: Side, code: &str) -> bool {
    sensor.active && side.limit(&sensor.limits).is_some() && fault_code(sensor, side) == code
}

/// The side that a code made by [`fault_code`] speaks of.
pub fn side_of(fault_code: &str) -> Option<Side> {
    [Side::Low, Side::High]
        .into_iter()
        .find(|side| fault_code.strip_suffix(side.word()).is_some_and(|rest| rest.ends_with('_')))
}

fn event(owner: Owner<'_>, side: Side, limit: f64, value: f64, now_us: i64, change: Change) -> Event {
    let code = fault_code(owner.sensor, side);
    match change {
        Change::Opened { start_us } => Event::FaultOpened(FaultOpened {
            machine: owner.machine,
            fault_code: code,
            category: category(owner.sensor.sensor_type.as_deref()).to_owned(),
            severity: "critical".to_owned(),
            description: format!(
                "{} {} critical limit {limit} {}: {value}",
                owner.sensor.sensor_id,
                if side == Side::High { "above" } else { "below" },
                owner.sensor.unit
            ),
            start_us,
            sensor: Some(owner.no),
            detection_method: "threshold".to_owned(),
        }),
        Change::Closed { start_us } => closed(owner.machine, code, start_us, now_us),
    }
}

/// The end of a sensor's fault.
pub fn closed(machine: MachineNo, fault_code: String, start_us: i64, end_us: i64) -> Event {
    Event::FaultClosed(FaultClosed {
        machine,
        fault_code,
        start_us,
        end_us,
        downtime_minutes: None,
        production_loss_units: None,
    })
}

fn category(sensor_type: Option<&str>) -> &'static str {
    let kind = sensor_type.unwrap_or_default().to_ascii_lowercase();
    let holds = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    if holds(&["temp"]) {
        "thermal"
    } else if holds(&["vibration", "torque", "speed", "rotation"]) {
        "mechanical"
    } else if holds(&["pressure", "flow"]) {
        "pneumatic"
    } else if holds(&["current", "voltage", "power"]) {
        "electrical"
    } else if holds(&["position"]) {
        "positioning"
    } else {
        "process"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sensor;

    fn feed(values: &[f64]) -> Vec<Event> {
        let sensor = sensor();
        let owner = Owner { machine: MachineNo(0), no: SensorNo(0), sensor: &sensor };
        let (mut watch, mut events) = (FaultWatch::default(), Vec::new());
        for (second, value) in values.iter().enumerate() {
            watch.see(owner, second as i64, *value, &mut events);
        }
        events
    }

    #[test]
    fn three_in_a_row_open_and_five_well_inside_close() {
        let events = feed(&[70.0, 81.0, 82.0, 83.0, 84.0, 70.0, 70.0, 70.0, 70.0, 70.0]);
        assert!(
            matches!(&events[0], Event::FaultOpened(fault) if fault.start_us == 1 && fault.fault_code == "TEMP-1_HIGH")
        );
        assert!(matches!(&events[1], Event::FaultClosed(fault) if fault.start_us == 1 && fault.end_us == 9));
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn a_value_that_dances_on_the_limit_makes_no_fault_and_closes_none() {
        assert!(feed(&[81.0, 79.0, 81.0, 81.0, 79.0, 81.0, 81.0, 79.0]).is_empty());
        let dancing: Vec<f64> = [81.0; 3].into_iter().chain([79.5; 50]).collect();
        assert_eq!(feed(&dancing).len(), 1);
    }

    #[test]
    fn a_code_tells_its_side() {
        assert_eq!(side_of(&fault_code(&sensor(), Side::High)), Some(Side::High));
        assert_eq!(side_of("E-STOP"), None);
    }
}
