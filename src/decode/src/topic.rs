//! An MQTT topic goes in, an [`Address`] that borrows from it comes out, without allocating.
//!
//! Native layouts, tried first:
//! - `genims/v1/{factory}/{line}/{machine}/{sensor}`: one sensor
//! - `genims/v1/{factory}/{line}/{machine}/scada`: machine snapshots
//! - `genims/v1/{factory}/readings`: a mixed batch
//! - `genims/v1/rows/{database}/{table}`: rows for any table
//!
//! Then the configured templates, in their order. The empty topic stands for transports without topics (TCP, line
//! protocol) and for what they left in the dead letters: a mixed batch. An empty level is only what a
//! template says is empty, or ignores.

use super::mapping::Mapping;
use super::template::{Ending, LevelRole, NATIVE_PREFIX, Segment, Template, TemplateError, TopicTemplate};
use super::{Address, Kind};

/// The native layouts and the configured templates.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    own: Vec<Template>,
    /// Some of them map payloads below the native layouts, and are tried before those.
    maps_native: bool,
}

impl Templates {
    /// Compiles the `[[topics]]` entries; the first bad one is the error.
    pub fn new<'e>(entries: impl IntoIterator<Item = &'e TopicTemplate>) -> Result<Self, TemplateError> {
        let mut own: Vec<Template> = Vec::new();
        for entry in entries {
            let template = Template::compile(entry)?;
            if let Some(earlier) = own.iter().find(|earlier| earlier.same_topics(&template)) {
                return Err(TemplateError::Shadowed { template: template.text, earlier: earlier.text.clone() });
            }
            own.push(template);
        }
        let maps_native = own.iter().any(|template| template.text.starts_with(NATIVE_PREFIX));
        Ok(Self { own, maps_native })
    }

    /// `None`: the topic fits no layout.
    pub fn parse<'t>(&self, topic: &'t str) -> Option<Address<'t>> {
        match native(topic) {
            Some(rest) if !self.maps_native => parse_native(rest),
            _ => self.parse_other(topic),
        }
    }

    #[inline(never)]
    fn parse_other<'t>(&self, topic: &'t str) -> Option<Address<'t>> {
        self.place_other(topic).map(|(address, _)| address)
    }

    /// What the topic says, and how payloads below it are to be read if that is configured.
    #[inline]
    pub(super) fn place<'t>(&self, topic: &'t str) -> Option<(Address<'t>, Option<&Mapping>)> {
        match native(topic) {
            Some(rest) if !self.maps_native => Some((parse_native(rest)?, None)),
            _ => self.place_other(topic),
        }
    }

    /// Where more than the native layouts have to be asked; apart, so that those cost no copy of what it answers.
    fn place_other<'t>(&self, topic: &'t str) -> Option<(Address<'t>, Option<&Mapping>)> {
        if topic.is_empty() {
            return Some((Address { factory: None, line: None, machine: None, kind: Kind::Readings }, None));
        }
        self.parse_own(topic).or_else(|| {
            let rest = native(topic)?;
            Some((parse_native(rest)?, None))
        })
    }

    fn parse_own<'t>(&self, topic: &'t str) -> Option<(Address<'t>, Option<&Mapping>)> {
        self.own.iter().find_map(|template| Some((match_template(template, topic)?, template.mapping.as_ref())))
    }
}

/// What stands behind the native prefix. As an array it is compared without a call.
#[inline]
fn native(topic: &str) -> Option<&str> {
    const BYTES: usize = NATIVE_PREFIX.len();
    let is_native = topic.as_bytes().first_chunk::<BYTES>() == NATIVE_PREFIX.as_bytes().first_chunk::<BYTES>();
    if is_native { topic.get(BYTES..) } else { None }
}

/// As `text.split_once('/')`; on levels of a few bytes, comparing byte by byte beats starting a search for each.
#[inline]
fn cut(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| byte == b'/')?;
    Some((&text[..end], &text[end + 1..]))
}

/// As `topic.split('/')`.
#[inline]
fn levels_of(topic: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(topic);
    std::iter::from_fn(move || {
        let text = rest?;
        let (level, behind) = cut(text).map_or((text, None), |(level, behind)| (level, Some(behind)));
        rest = behind;
        Some(level)
    })
}

/// Whether rows for a table are published there: who may write the table may publish under it.
pub fn is_of_rows(topic: &str) -> bool {
    database_of_rows(topic).is_some()
}

/// For which database rows are published there.
#[inline]
pub fn database_of_rows(topic: &str) -> Option<&str> {
    let rest = native(topic)?.strip_prefix("rows/")?;
    rest.split('/').next()
}

#[inline]
fn parse_native(rest: &str) -> Option<Address<'_>> {
    let address = |factory, kind| Some(Address { factory, line: None, machine: None, kind });
    let (first, rest) = cut(rest)?;
    let Some((second, rest)) = cut(rest) else {
        let is_batch = rest == "readings" && first != "rows" && !first.is_empty();
        return if is_batch { address(Some(first), Kind::Readings) } else { None };
    };
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let Some((machine, last)) = cut(rest) else {
        let is_rows = first == "rows" && !rest.is_empty();
        return if is_rows { address(None, Kind::Rows { database: second, table: rest }) } else { None };
    };
    if machine.is_empty() || last.is_empty() || cut(last).is_some() {
        return None;
    }
    let kind = if last == "scada" { Kind::Scada } else { Kind::Sensor(last) };
    Some(Address { factory: Some(first), line: Some(second), machine: Some(machine), kind })
}

/// The levels are cut off one by one as they are compared: most templates that do not fit differ in their first.
fn match_template<'t>(template: &Template, topic: &'t str) -> Option<Address<'t>> {
    let mut address = Address { factory: None, line: None, machine: None, kind: Kind::Readings };
    let (mut sensor, mut levels) = (None, levels_of(topic));
    for segment in &template.segments {
        let level = levels.next()?;
        match segment {
            Segment::Literal(literal) if **literal == *level => {}
            Segment::Literal(_) => return None,
            Segment::Named(LevelRole::Ignored) => {}
            Segment::Named(_) if level.is_empty() => return None,
            Segment::Named(LevelRole::Factory) => address.factory = Some(level),
            Segment::Named(LevelRole::Line) => address.line = Some(level),
            Segment::Named(LevelRole::Machine) => address.machine = Some(level),
            Segment::Named(LevelRole::Sensor) => sensor = Some(level),
        }
    }
    if levels.next().is_some() {
        return None;
    }
    address.kind = match (template.ending, sensor) {
        // As in the native layout, so that snapshots need no template of their own.
        (Ending::Sensor, Some("scada")) if address.machine.is_some() => Kind::Scada,
        (Ending::Sensor, Some(sensor)) => Kind::Sensor(sensor),
        (Ending::Scada, _) => Kind::Scada,
        (Ending::Sensor | Ending::Readings, _) => Kind::Readings,
    };
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn templates(texts: &[&str]) -> Result<Templates, TemplateError> {
        let entries: Vec<TopicTemplate> = texts
            .iter()
            .map(|text| TopicTemplate { template: (*text).to_owned(), ..TopicTemplate::default() })
            .collect();
        Templates::new(&entries)
    }

    #[test]
    fn native_topics_name_sensor_snapshot_batch_and_rows() {
        let native = Templates::default();
        let address = |kind| Address { factory: Some("F1"), line: Some("L1"), machine: Some("M1"), kind };
        assert_eq!(native.parse("genims/v1/F1/L1/M1/TEMP"), Some(address(Kind::Sensor("TEMP"))));
        assert_eq!(native.parse("genims/v1/F1/L1/M1/scada"), Some(address(Kind::Scada)));
        let batch = Address { line: None, machine: None, ..address(Kind::Readings) };
        assert_eq!(native.parse("genims/v1/F1/readings"), Some(batch));
        let kind = Kind::Rows { database: "genims_erp", table: "orders" };
        let rows = Address { factory: None, line: None, machine: None, kind };
        assert_eq!(native.parse("genims/v1/rows/genims_erp/orders"), Some(rows));
        assert_eq!(database_of_rows("genims/v1/rows/genims_erp/orders"), Some("genims_erp"));
        assert!(is_of_rows("genims/v1/rows/genims_erp/orders"));
        assert!(!is_of_rows("genims/v1/rowsF/L/M/S") && !is_of_rows("rows/genims_erp/orders"));
    }

    #[test]
    fn the_empty_topic_is_a_mixed_batch() {
        let address = Address { factory: None, line: None, machine: None, kind: Kind::Readings };
        assert_eq!(Templates::default().parse(""), Some(address));
    }

    #[test]
    fn other_shapes_are_unknown() {
        let native = Templates::default();
        for topic in [
            "genims/v1/",
            "genims/v1/F1",
            "genims/v1/F1/other",
            "genims/v1/F1/L1/M1",
            "genims/v1/F1//M1/S1",
            "genims/v1/F1/L1/M1/",
            "genims/v1/F1/L1/M1/S1/more",
            "genims/v1/rows/db",
            "genims/v1/rows/readings",
            "genims/v2/F1/L1/M1/S1",
            "acme/x",
            "/",
        ] {
            assert_eq!(native.parse(topic), None, "{topic}");
        }
    }

    #[test]
    fn an_own_template_names_its_levels() {
        let own = templates(&["acme/{site}/{area}/{line}/{cell}/{tag}", "acme/{cell}/readings"]).unwrap();
        let expected =
            Address { factory: Some("berlin"), line: Some("L4"), machine: Some("R2"), kind: Kind::Sensor("T") };
        assert_eq!(own.parse("acme/berlin/press/L4/R2/T"), Some(expected));
        assert_eq!(own.parse("acme/berlin/press/L4/R2/scada"), Some(Address { kind: Kind::Scada, ..expected }));
        let batch = Address { factory: None, line: None, machine: Some("R2"), kind: Kind::Readings };
        assert_eq!(own.parse("acme/R2/readings"), Some(batch));
        assert_eq!(own.parse("acme/berlin/press/L4//T"), None);
        assert_eq!(own.parse("other/berlin/press/L4/R2/T"), None);
        assert!(own.parse("genims/v1/F1/readings").is_some());
    }

    #[test]
    fn levels_may_be_empty_where_a_template_says_so() {
        let own = templates(&["/plant/{machine}/{tag}", "a//{machine}/{tag}", "b/{area}/{tag}", "c/{tag}/"]).unwrap();
        let sensor = |machine, sensor| Some(Address { factory: None, line: None, machine, kind: Kind::Sensor(sensor) });
        assert_eq!(own.parse("/plant/M1/TEMP"), sensor(Some("M1"), "TEMP"));
        assert_eq!(own.parse("a//M1/TEMP"), sensor(Some("M1"), "TEMP"));
        assert_eq!(own.parse("b//TEMP"), sensor(None, "TEMP"));
        assert_eq!(own.parse("c/TEMP/"), sensor(None, "TEMP"));
        for other in ["plant/M1/TEMP", "/plant//TEMP", "/plant/M1/", "a/M1/TEMP", "a/x/M1/TEMP", "c/TEMP", "c//"] {
            assert_eq!(own.parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_first_fitting_template_wins_and_equal_ones_are_refused() {
        let own = templates(&["acme/{machine}/{tag}", "{site}/{machine}/{tag}"]).unwrap();
        assert_eq!(own.parse("acme/M/T").and_then(|address| address.factory), None);
        assert_eq!(own.parse("x/M/T").and_then(|address| address.factory), Some("x"));
        let error = templates(&["a/{machine}/{tag}", "a/{line}/{sensor}"]).unwrap_err();
        assert!(matches!(error, TemplateError::Shadowed { .. }));
    }

    #[test]
    fn more_levels_than_supported_are_unknown() {
        assert_eq!(templates(&["a/{tag}"]).unwrap().parse(&"a/".repeat(40)), None);
    }

    proptest! {
        #[test]
        fn levels_are_what_stands_between_slashes(topic in "[a/é]{0,12}") {
            prop_assert!(levels_of(&topic).eq(topic.split('/')));
        }

        #[test]
        fn any_text_is_parsed_without_panic(topic in "\\PC{0,60}", native in any::<bool>()) {
            let own = templates(&["acme/{site}/{cell}/{tag}", "{cell}/readings"]).unwrap();
            let topic = if native { format!("genims/v1/{topic}") } else { topic };
            if let Some(Address { kind: Kind::Sensor(sensor), .. }) = own.parse(&topic) {
                prop_assert!(topic.contains(sensor) && !sensor.is_empty());
            }
        }
    }
}
