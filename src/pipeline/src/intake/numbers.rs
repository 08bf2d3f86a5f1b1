//! Names become numbers: those of the published catalogue, those that master data has and the journal does not yet, and, where
//! unknown sensors are registered, new ones. A round that uses a number that may not be durable makes it so before it goes on.

use super::{IntakeBuffer, Registrar};
use genims_catalogue::keeper::Registration;
use genims_model::{Reason, SensorNo};

/// Where the topics of the README end below which payloads name their sensors: a sensor is hardly called that.
const TAGS: &str = "tags";

impl IntakeBuffer {
    /// Makes the numbers that the round uses durable; false while they cannot be.
    pub(super) fn register(&mut self) -> bool {
        self.unsynced = !self.sync_registrations();
        !self.unsynced
    }

    /// New numbers are durable before readings that use them. False when they cannot be: the round waits, or is given up,
    /// counted and not acknowledged, for after a crash nobody could tell whose readings they were.
    pub(super) fn sync_registrations(&mut self) -> bool {
        if !std::mem::take(&mut self.unsynced) {
            return true;
        }
        // The keeper says once why it cannot.
        self.intake.registrar.as_ref().is_some_and(|registrar| registrar.keeper.sync().is_ok())
    }

    /// By its id, or by its code on the machine.
    #[inline]
    pub(super) fn known(&self, machine: Option<&str>, sensor: &str) -> Option<SensorNo> {
        match (self.catalogue.sensor_by_id(sensor), machine) {
            (Some(no), _) => Some(no),
            (None, Some(machine)) => self.catalogue.sensor_by_code(machine, sensor),
            (None, None) => None,
        }
    }

    /// What master data has and the journal does not yet.
    pub(super) fn entered(&self, machine: Option<&str>, sensor: &str) -> Option<Registration> {
        self.intake.registrar.as_ref()?.keeper.entered(machine, sensor).filter(|_| self.may_speak_for(machine))
    }

    pub(super) fn resolve(&mut self, machine: Option<&str>, sensor: &str) -> Result<SensorNo, String> {
        let no = self.known(machine, sensor);
        if let Some(no) = no
            && self.catalogue.sensor(no).is_some_and(|entry| entry.sensor.active)
        {
            return Ok(no);
        }
        if let Some(Registration { no, home }) = self.entered(machine, sensor) {
            self.unpublished.insert(no, home);
            return Ok(no);
        }
        match &self.intake.registrar {
            Some(Registrar { keeper, registers: true }) if no.is_none() && self.may_speak_for(machine) => {
                let Registration { no, home } = keeper.register(machine, sensor)?;
                self.unpublished.insert(no, home);
                Ok(no)
            }
            _ if no.is_some() => {
                Err(format!("sensor {sensor} is not active; set its status in genims_master_db.sensors, then replay"))
            }
            _ => Err(self.unknown(machine, sensor)),
        }
    }

    /// What of it nobody knows, and what to do about it.
    #[cold]
    pub(super) fn unknown(&self, machine: Option<&str>, sensor: &str) -> String {
        let named_by_topic = self.topic.rsplit('/').next() == Some(sensor);
        if named_by_topic && sensor == TAGS {
            return format!(
                "a payload below .../{TAGS} names its sensors, and this one names none; write {{\"TEMP-1\": 71.5}}, or publish \
                 the value of one sensor below .../{{machine}}/{{sensor}}"
            );
        }
        let what = match machine {
            Some(machine) if self.catalogue.machine_by_id(machine).is_none() => {
                format!("neither machine {machine} nor a sensor with the id {sensor} is in the catalogue")
            }
            Some(machine) => {
                format!("sensor {sensor} is not in the catalogue, neither as an id nor as a code of machine {machine}")
            }
            None => format!("sensor {sensor} is not in the catalogue"),
        };
        let by_topic = if named_by_topic { "; the topic's last level names it, unless the payload does" } else { "" };
        format!("{what}{by_topic}; {}", Reason::UnknownSensor.remedy())
    }
}
