//! Whom an element means: enter its own names and those of its topic, leave a sensor and a machine.
//! What can be read in two ways is decided in [`super::naming`].

use super::common::Common;
use super::cursor::{Cursor, Text, Value};
use super::element::{Element, MACHINES, MACHINES_MANY};
use super::keys::{
    Known, MACHINE_RANK_WEAK, NAMES, Ranked, SENSOR_RANK_CONTAINER, SENSOR_RANK_ID, SENSOR_RANK_STRONG, Says,
};
use super::{envelope, lists, naming, passed};
use crate::fault::{Fault, checked_name};
use crate::{Address, Kind, Remark, Visitor};
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
    pub(super) fn names_machine(&mut self, rank: u8, named: Result<Text<'a>, Fault>) {
        if let (Some(Ok(other)), Ok(named)) = (self.machine.candidate, named)
            && !other.same(named)
        {
            let beside = if rank < self.machine.rank { other } else { named };
            self.names_machine_beside(rank.max(self.machine.rank), beside);
        }
        self.machine.offer(rank, named);
    }

    #[cold]
    fn names_machine_beside(&mut self, rank: u8, beside: Text<'a>) {
        self.twice |= MACHINES;
        let place = self.machines_beside.iter_mut().find(|known| known.is_none_or(|known| known.same(beside)));
        match place {
            Some(place) if rank >= MACHINE_RANK_WEAK => *place = Some(beside),
            _ => self.twice |= MACHINES_MANY,
        }
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

    /// The machine that the element itself names. What need not be a machine's name is one if the catalogue has it. Where one
    /// `is_named` around it, a node means nothing, nor does a number, unless its key says that it is an id.
    #[inline]
    pub(super) fn own_machine<V: Visitor>(&self, is_named: bool, visitor: &V) -> Result<Option<Text<'a>>, Fault> {
        match self.machine.candidate {
            Some(Ok(label)) if self.machine.rank > MACHINE_RANK_WEAK => {
                let is_machine = visitor.knows_machine(&label.to_str());
                Ok(if is_machine { Some(label) } else { self.other_label(visitor) })
            }
            Some(Ok(_)) if is_named && self.machine.rank >= MACHINE_RANK_WEAK => Ok(None),
            Some(Err(_)) if is_named && self.machine.rank > 0 => Ok(None),
            machine => machine.transpose(),
        }
    }

    /// What the element calls the device that it comes from.
    #[inline]
    pub(super) fn device(&self) -> Option<Cow<'a, str>> {
        self.machine.candidate.and_then(Result::ok).map(Text::to_str)
    }

    /// An element that holds tags and names the machine that they are of, as one that says so by `machine_id`. `around`: what is
    /// said around the list that it stands in. One that the catalogue has is meant by any name; see also
    /// [`Self::may_be_of_new_machine`].
    #[inline]
    pub(super) fn of_machine<V: Visitor>(&self, around: Common<'_>, visitor: &V) -> Option<Self> {
        let says_value = self.value.candidate.is_some() || self.value_is_null || self.error.is_some();
        let is_named = self.sensor.candidate.is_some() || self.machine.candidate.is_some();
        if !is_named || says_value || self.machine.rank < MACHINE_RANK_WEAK {
            return None;
        }
        self.of_machine_of_tags(around, visitor)
    }

    #[cold]
    fn of_machine_of_tags<V: Visitor>(&self, around: Common<'_>, visitor: &V) -> Option<Self> {
        let is_history = self.list.is_some_and(lists::is_history);
        let is_container = (SENSOR_RANK_CONTAINER..u8::MAX).contains(&self.sensor.rank);
        if is_container || self.has_typed_value() {
            return None;
        }
        let names = self.names_of_holder(is_history);
        let known = names.iter().find(|(_, name)| visitor.knows_machine(&name.to_str()));
        let is_new = || !is_history && self.may_be_of_new_machine(&names, around, visitor);
        let is_other =
            |(known, name): &&(Known, Text<'_>)| names_a_machine(*known) && Some(&*name.to_str()) != around.device;
        let named = known.or_else(|| names.iter().find(is_other).filter(|_| is_new()))?;
        let machine = Ranked { rank: 0, candidate: Some(Ok(named.1)) };
        // Its name is no sensor's; whose history stands in it is.
        let is_of_sensor = is_history || self.sensor.rank == SENSOR_RANK_STRONG;
        let sensor = if is_of_sensor { self.sensor } else { Ranked::default() };
        Some(Self { machine, sensor, ..*self })
    }

    /// Whether an entry may be of a machine that the catalogue lacks: it holds tags, and its names are neither sensors nor what the
    /// form itself names so. Its tags are set aside under that name, and are not taken for those of the machine around it.
    fn may_be_of_new_machine<V: Visitor>(&self, names: &[(Known, Text<'_>)], around: Common<'_>, visitor: &V) -> bool {
        let knows = |sensor: &str| visitor.knows(around.machine, sensor);
        let is_of_form = || self.is_data_set || envelope::member(self.bytes, "fields").is_some();
        let holds_tags = || {
            self.list.is_some()
                || self.values.is_some()
                || passed::holds_reading(self.bytes, &knows)
                || lists::list_of_readings(self.bytes, &knows).is_some()
        };
        around.machine.is_some()
            && !is_of_form()
            && self.sensor.rank != SENSOR_RANK_STRONG
            && !names.iter().any(|(_, name)| knows(&name.to_str()))
            && holds_tags()
    }

    /// What an entry that holds tags may name a machine by: first the labels of machines, then what names anything.
    fn names_of_holder(&self, is_history: bool) -> Vec<(Known, Text<'a>)> {
        let mut names = Vec::new();
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let known = Known::of_any(key.to_str().as_bytes());
            let known = known.filter(|known| match known.says {
                Says::Machine | Says::MachineLabel => true,
                Says::Sensor | Says::Label => {
                    !is_history && (SENSOR_RANK_STRONG + 1..=SENSOR_RANK_ID).contains(&known.rank)
                }
                _ => false,
            });
            if let (Value::Text(text), Some(known)) = (cursor.value()?, known)
                && text.is_sound()
                && !text.is_blank()
            {
                names.push((known, text));
            }
            Ok(())
        });
        names.sort_by_key(|(known, _)| (matches!(known.says, Says::Sensor | Says::Label), known.rank));
        read.map(|()| names).unwrap_or_default()
    }

    /// Of several labels of machines the first that the catalogue has.
    fn other_label<V: Visitor>(&self, visitor: &V) -> Option<Text<'a>> {
        if self.twice & MACHINES == 0 {
            return None;
        }
        let mut known =
            self.machines_beside.into_iter().flatten().filter(|label| visitor.knows_machine(&label.to_str()));
        match (known.next(), known.next()) {
            (label, None) if self.twice & MACHINES_MANY == 0 => label,
            // The order in which they stand there counts.
            _ => {
                let labels = self.machine_labels().into_iter();
                labels.map(|(_, _, label)| label).find(|label| visitor.knows_machine(&label.to_str()))
            }
        }
    }

    /// What it names machines, with the ranks: first what counts.
    fn machines(&self) -> impl Iterator<Item = (u8, Text<'a>)> + use<'a> {
        let first = self.machine.candidate.and_then(Result::ok).map(|name| (self.machine.rank, name));
        let beside = self.machines_beside.into_iter().flatten().map(|name| (MACHINE_RANK_WEAK, name));
        first.into_iter().chain(beside)
    }

    /// Says so where its keys name different machines.
    #[cold]
    pub(super) fn remark_machines<V: Visitor>(&self, visitor: &mut V) {
        remark_machines_of(&[self], visitor);
    }

    /// Says so where a message names another machine than what it holds.
    #[cold]
    pub(super) fn remark_machines_in<V: Visitor>(&self, held: &Element<'_>, visitor: &mut V) {
        if self.machine.candidate.is_some() && held.machine.candidate.is_some() {
            remark_machines_of(&[held, self], visitor);
        }
    }

    /// The keys that name machines, with what they say.
    #[cold]
    fn machine_labels(&self) -> Vec<(Cow<'a, str>, Known, Text<'a>)> {
        let mut labels = Vec::new();
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let key = key.to_str();
            let known = Known::of_any(key.as_bytes());
            let known = known.filter(|known| matches!(known.says, Says::Machine | Says::MachineLabel));
            match (cursor.value()?, known) {
                (Value::Text(text), Some(known)) if !text.is_blank() => labels.push((key, known, text)),
                _ => {}
            }
            Ok(())
        });
        read.map(|()| labels).unwrap_or_default()
    }
}

/// Whether a name of what holds tags is that of a machine, also where the catalogue lacks it: `name` and `id` may be a group's.
fn names_a_machine(known: Known) -> bool {
    known.says == Says::MachineLabel
}

/// Whether elements name different machines. What need not be a machine's name is one if the catalogue has it: gateways name themselves
/// in every element, so that only the catalogue is asked.
fn name_different<V: Visitor>(elements: &[&Element<'_>], visitor: &V) -> bool {
    let is_machine = |(rank, name): &(u8, Text<'_>)| *rank < MACHINE_RANK_WEAK || visitor.knows_machine(&name.to_str());
    let mut machines = elements.iter().flat_map(|element| element.machines()).filter(is_machine);
    elements.iter().any(|element| element.twice & MACHINES_MANY != 0)
        || machines.next().is_some_and(|(_, first)| machines.any(|(_, other)| !other.same(first)))
}

fn remark_machines_of<V: Visitor>(elements: &[&Element<'_>], visitor: &mut V) {
    if !name_different(elements, visitor) {
        return;
    }
    let mut labels: Vec<_> = elements.iter().flat_map(|element| element.machine_labels()).collect();
    labels.sort_by_key(|(_, known, _)| known.rank);
    let names = labels.into_iter().map(|(key, known, label)| (key, known.rank < MACHINE_RANK_WEAK, label.to_str()));
    remark_machines(names, visitor);
}

/// Says so where a reading has names of different machines. `names`: with their keys, and whether they are sure to be of machines;
/// the others are if the catalogue has them.
#[cold]
pub(crate) fn remark_machines<'n, V: Visitor>(
    names: impl Iterator<Item = (Cow<'n, str>, bool, Cow<'n, str>)>,
    visitor: &mut V,
) {
    let mut said: Vec<(Cow<'n, str>, Cow<'n, str>)> = Vec::new();
    for (key, is_sure, name) in names {
        let is_new = said.iter().all(|(_, other)| *other != name);
        if is_new && (is_sure || visitor.knows_machine(&name)) {
            said.push((key, name));
        }
    }
    if said.len() > 1 {
        let told: Vec<String> = said.iter().map(|(key, name)| format!("{key} says machine {name}")).collect();
        visitor.remark(Remark::OtherMachine, &told.join(", "));
    }
}
