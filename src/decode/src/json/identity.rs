//! Whom an element means: enter its own names and those of its topic, leave a sensor and a machine.
//! What can be read in two ways is decided in [`super::naming`].

use super::cursor::Text;
use super::element::Element;
use super::keys::{MACHINE_RANK_WEAK, NAMES, SENSOR_RANK_STRONG};
use super::naming;
use crate::fault::{Fault, checked_name};
use crate::{Address, Kind, Visitor};
use std::borrow::Cow;

impl<'a> Element<'a> {
    /// Who is meant by the element and its topic.
    #[inline]
    pub(super) fn sensor_name<'n, V: Visitor>(
        &self,
        machine: Option<&str>,
        address: &Address<'n>,
        visitor: &V,
    ) -> Result<Cow<'n, str>, Fault>
    where
        'a: 'n,
    {
        match (self.sensor.candidate, address.kind) {
            (Some(named), Kind::Sensor(topic)) if self.sensor.rank > SENSOR_RANK_STRONG => {
                let Ok(named) = named else {
                    let number = self.named_by_number(machine, visitor).filter(|_| !visitor.knows(machine, topic));
                    return Ok(number.map_or(Cow::Borrowed(topic), Cow::Owned));
                };
                // The topic's sensor is sure: nothing that is weaker than the first name is looked at.
                let is_sure = visitor.knows(machine, topic);
                let own = if is_sure { named.to_str() } else { self.own_name(named, machine, visitor) };
                Ok(naming::of_weak(own, self.sensor.rank, topic, machine, visitor))
            }
            (None, Kind::Sensor(sensor)) => Ok(Cow::Borrowed(sensor)),
            (Some(sensor), _) => self.name_of(sensor, machine, visitor),
            (None, _) => Err(Fault::malformed("neither the topic nor a sensor_id names the sensor")),
        }
    }

    /// The sensor that the element's own keys name: by a number, too, if the catalogue has it.
    #[inline]
    pub(super) fn name_of<V: Visitor>(
        &self,
        named: Result<Text<'a>, Fault>,
        machine: Option<&str>,
        visitor: &V,
    ) -> Result<Cow<'a, str>, Fault> {
        match named {
            Ok(named) => Ok(self.own_name(named, machine, visitor)),
            Err(fault) => self.named_by_number(machine, visitor).map(Cow::Owned).ok_or(fault),
        }
    }

    #[cold]
    fn named_by_number<V: Visitor>(&self, machine: Option<&str>, visitor: &V) -> Option<String> {
        naming::of_number(self.bytes, self.sensor.rank, machine, visitor)
    }

    /// The sensor that the element's own keys name, of which the first is `named`.
    #[inline]
    pub(super) fn own_name<V: Visitor>(&self, named: Text<'a>, machine: Option<&str>, visitor: &V) -> Cow<'a, str> {
        if self.sensor.rank == SENSOR_RANK_STRONG {
            return named.to_str();
        }
        let own = naming::of(named, self.sensor.rank, (self.display_name(), machine), visitor);
        let has_several = (self.keys_seen & NAMES).count_ones() > 1;
        if has_several { naming::of_several(own, self.bytes, machine, visitor) } else { own }
    }

    #[inline]
    pub(super) fn machine_name<'n, V: Visitor>(
        &self,
        address: &Address<'n>,
        visitor: &V,
    ) -> Result<Option<Cow<'n, str>>, Fault>
    where
        'a: 'n,
    {
        match self.own_machine(address.machine.is_some(), visitor)? {
            Some(machine) => {
                let machine = machine.to_str();
                checked_name(&machine)?;
                Ok(Some(machine))
            }
            None => Ok(address.machine.map(Cow::Borrowed)),
        }
    }

    /// The machine that the element itself names. Where one `is_named` around it, what need not be a machine means nothing, nor
    /// does a number, unless its key says that it is an id.
    #[inline]
    pub(super) fn own_machine<V: Visitor>(&self, is_named: bool, visitor: &V) -> Result<Option<Text<'a>>, Fault> {
        match self.machine.candidate {
            Some(Ok(label)) if self.machine.rank > MACHINE_RANK_WEAK => {
                Ok(Some(label).filter(|label| !is_named && visitor.knows_machine(&label.to_str())))
            }
            Some(Ok(_)) if is_named && self.machine.rank >= MACHINE_RANK_WEAK => Ok(None),
            Some(Err(_)) if is_named && self.machine.rank > 0 => Ok(None),
            machine => machine.transpose(),
        }
    }
}
