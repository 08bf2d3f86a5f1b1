//! Which plans make sense.

use super::{Form, Plan, PlanError, Protocol, Rate, Stream};
use std::time::Duration;

/// Largest number of readings in one message: keeps every form below a megabyte.
const BATCH_MAX: u32 = 10_000;
/// A message that would take longer than this to fill says that the rate does not fit the batch size.
const MESSAGE_INTERVAL_MAX_S: f64 = 30.0;
/// Bare numbers carry no time, so the server stamps them on receipt: two readings of one sensor closer together than
/// this could share a stamp.
const BARE_NUMBER_HZ_MAX: f64 = 10.0;

impl Plan {
    pub fn check(&self) -> Result<(), PlanError> {
        if self.streams.is_empty() {
            return Err(PlanError::Empty);
        }
        if self.seconds == 0 {
            return Err(PlanError::Value("seconds must be at least 1".to_owned()));
        }
        let plant = &self.plant;
        if !(plant.time_scale > 0.0 && plant.time_scale <= 3_600.0) {
            return Err(PlanError::Value("[plant] time_scale must lie in 0..=3600".to_owned()));
        }
        if !(0.0..=60.0).contains(&plant.faults_per_hour) {
            return Err(PlanError::Value("[plant] faults_per_hour must lie in 0..=60".to_owned()));
        }
        if !(0.0..=100.0).contains(&self.probes.per_second) {
            return Err(PlanError::Value("[probes] per_second must lie in 0..=100".to_owned()));
        }
        for (index, stream) in self.streams.iter().enumerate() {
            stream.check().map_err(|what| PlanError::Stream { stream: stream.name.clone(), what })?;
            if self.streams[..index].iter().any(|other| other.name == stream.name) {
                return Err(PlanError::Stream { stream: stream.name.clone(), what: "the name is taken".to_owned() });
            }
        }
        Ok(())
    }
}

impl Stream {
    fn check(&self) -> Result<(), String> {
        let fits = match self.protocol {
            Protocol::Mqtt | Protocol::Mqtt5 => true,
            Protocol::Tcp => self.form == Form::Frame,
            Protocol::Line => self.form == Form::LineProtocol,
        };
        if !fits {
            return Err("protocol tcp needs form frame, protocol line needs form line_protocol".to_owned());
        }
        if self.qos > 2 {
            return Err("qos is 0, 1 or 2".to_owned());
        }
        if !(1..=BATCH_MAX).contains(&self.batch) {
            return Err(format!("batch must lie in 1..={BATCH_MAX}"));
        }
        if self.form.is_single() && self.batch != 1 {
            return Err("this form holds one reading a message: leave batch out".to_owned());
        }
        if !(1..=20_000).contains(&self.connections) || !(1..=16_384).contains(&self.window) || self.weight == 0 {
            return Err("connections 1..=20000, window 1..=16384, weight at least 1".to_owned());
        }
        for (name, value) in [("duplicates", self.duplicates), ("disorder", self.disorder), ("garbage", self.garbage)] {
            if !(0.0..=0.5).contains(&value) {
                return Err(format!("{name} is a probability in 0..=0.5"));
            }
        }
        if self.garbage > 0.0 && self.garbage_kinds.is_empty() {
            return Err("garbage_kinds is empty: name at least one or set garbage to 0".to_owned());
        }
        if self.form == Form::BareNumber && (self.duplicates > 0.0 || self.qos > 0 && !self.reconnect_every.is_zero()) {
            return Err(
                "bare numbers carry no time, so a resend cannot be told from a new reading: use value_json for \
                        duplicates and reconnects"
                    .to_owned(),
            );
        }
        if !self.reconnect_every.is_zero() && self.reconnect_every < Duration::from_millis(200) {
            return Err("reconnect_every must be at least 200ms".to_owned());
        }
        self.check_rate()
    }

    fn check_rate(&self) -> Result<(), String> {
        let Rate::PerSecond(rate) = self.rate else {
            return match self.form {
                Form::BareNumber | Form::Scada => Err("this form needs a rate as a number".to_owned()),
                _ => Ok(()),
            };
        };
        if !(rate > 0.0 && rate <= 1e8) {
            return Err("rate must be above 0 and at most 100 million".to_owned());
        }
        if self.message_interval_s().is_some_and(|interval| interval > MESSAGE_INTERVAL_MAX_S) {
            return Err(format!(
                "at this rate a connection fills one message in more than {MESSAGE_INTERVAL_MAX_S} s: fewer connections \
                 or a smaller batch"
            ));
        }
        Ok(())
    }

    /// Bare numbers of one sensor must be further apart than a server could stamp alike.
    pub fn check_sensors(&self, sensors: usize) -> Result<(), PlanError> {
        let Rate::PerSecond(rate) = self.rate else { return Ok(()) };
        if self.form == Form::BareNumber && rate / sensors.max(1) as f64 > BARE_NUMBER_HZ_MAX {
            let what = format!("more than {BARE_NUMBER_HZ_MAX} bare numbers a second and sensor: lower the rate");
            return Err(PlanError::Stream { stream: self.name.clone(), what });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn plan(stream: &str) -> Result<Plan, String> {
        let text = format!("name = \"t\"\n[[streams]]\nname = \"s\"\n{stream}");
        let plan: Plan = toml::from_str(&text).map_err(|e| e.to_string())?;
        plan.check().map_err(|e| e.to_string())?;
        Ok(plan)
    }

    #[test]
    fn a_rate_is_a_number_or_max() {
        let max = plan("protocol = \"mqtt\"\nform = \"frame\"\nrate = \"max\"").expect("valid");
        assert_eq!(max.streams[0].rate, Rate::Max);
        let number = plan("protocol = \"mqtt\"\nform = \"frame\"\nrate = 250").expect("valid");
        assert_eq!(number.streams[0].rate, Rate::PerSecond(250.0));
        assert!(plan("protocol = \"mqtt\"\nform = \"frame\"\nrate = \"fast\"").is_err());
    }

    #[test]
    fn impossible_combinations_are_refused() {
        for bad in [
            "protocol = \"tcp\"\nform = \"value_json\"\nrate = 1",
            "protocol = \"line\"\nform = \"frame\"\nrate = 1",
            "protocol = \"mqtt\"\nform = \"value_json\"\nrate = 1\nbatch = 2",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 1\nqos = 3",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 0",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 1\nbatch = 1000",
            "protocol = \"mqtt\"\nform = \"bare_number\"\nrate = \"max\"",
            "protocol = \"mqtt\"\nform = \"bare_number\"\nrate = 1\nduplicates = 0.1",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 1\ngarbage = 0.9",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 1\ncolour = \"red\"",
        ] {
            assert!(plan(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_new_total_rate_keeps_the_proportions() {
        let mut plan: Plan = toml::from_str(
            "name = \"t\"\n[[streams]]\nname = \"a\"\nprotocol = \"mqtt\"\nform = \"frame\"\nrate = 300\n\
             [[streams]]\nname = \"b\"\nprotocol = \"mqtt\"\nform = \"frame\"\nrate = 100\n",
        )
        .expect("valid");
        plan.set_rate(Rate::PerSecond(4_000.0)).expect("valid");
        assert_eq!(plan.streams[0].rate, Rate::PerSecond(3_000.0));
        assert_eq!(plan.streams[1].rate, Rate::PerSecond(1_000.0));
    }

    #[test]
    fn the_shipped_plans_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/loadtest");
        let mut plans = 0;
        for entry in std::fs::read_dir(folder).expect("the folder of plans") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "toml") && !path.to_string_lossy().contains("replay") {
                Plan::load(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                plans += 1;
            }
        }
        assert!(plans >= 6);
    }
}
