//! Topic layouts of one's own: text with named levels goes in, a checked [`Template`] comes out.
//!
//! `acme/{site}/{area}/{line}/{cell}/{tag}` needs nothing else; a name that is not in [`KNOWN_NAMES`] gets its role from
//! `segments`. A level may be empty, as in `/plant/{machine}/{tag}`. Invariants of a compiled template: at most one level per
//! role, and a sensor level, a machine level (behind it payloads name its sensors; snapshots where it ends in `scada`), a
//! literal end `readings`, or a key mapping.

use super::mapping::{Keys, Mapping, MappingError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One `[[topics]]` entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicTemplate {
    /// For example `acme/{site}/{area}/{line}/{cell}/{tag}`.
    pub template: String,
    /// Where the clocks stand that write times without an offset: `Europe/Berlin`.
    pub zone: Option<String>,
    /// Roles of names that are not known, or that mean something else here.
    pub segments: BTreeMap<String, LevelRole>,
    /// Which keys say what in the JSON below these topics; see [`super::mapping`].
    pub keys: Keys,
    /// Words that stand for a value there: `OPEN = 1`.
    pub states: BTreeMap<String, f64>,
    /// Words that stand for a quality there: `OK = "good"`.
    pub qualities: BTreeMap<String, String>,
}

/// What a named level stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelRole {
    Factory,
    Line,
    Machine,
    Sensor,
    /// Any text; tells nothing.
    Ignored,
}

impl fmt::Display for LevelRole {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Factory => "factory",
            Self::Line => "line",
            Self::Machine => "machine",
            Self::Sensor => "sensor",
            Self::Ignored => "ignored level",
        })
    }
}

pub(super) const NATIVE_PREFIX: &str = "genims/v1/";

/// Levels in a topic that a template can match.
const SEGMENTS_MAX: usize = 16;

/// What can be wrong with a `[[topics]]` entry. All of it is found when the server starts and none of it passes by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error(
        "topic template `{template}`: what `{{{name}}}` stands for is not known; say it with \
         segments = {{ {name} = \"factory|line|machine|sensor|ignored\" }}"
    )]
    UnknownName { template: String, name: String },
    #[error(
        "topic template `{template}`: `{{{first}}}` and `{{{second}}}` both name the {role}; set one of them to \
         \"ignored\" in segments"
    )]
    DuplicateRole { template: String, first: String, second: String, role: LevelRole },
    #[error("topic template `{template}`: `{{{name}}}` is there twice; give each segment a name of its own")]
    DuplicateName { template: String, name: String },
    #[error(
        "topic template `{template}` names no sensor; add a `{{sensor}}` or `{{tag}}` segment, or a `{{machine}}` whose \
         payloads name its sensors, or end it in `/readings` or `{{machine}}/scada` (snapshots), or give it keys"
    )]
    NoSensor { template: String },
    #[error("topic template `{template}`: `+` and `#` are no part of a template; name the segment: `{{sensor}}`")]
    Wildcard { template: String },
    #[error(
        "topic template `{template}`: segment `{segment}` is neither a literal nor one `{{name}}`; write each level \
         between slashes as one of them"
    )]
    BadSegment { template: String, segment: String },
    #[error("topic template `{template}` has {segments} levels; at most {segments_max} are supported")]
    TooDeep { template: String, segments: usize, segments_max: usize },
    #[error("topic template `{template}`: {source}")]
    Mapping { template: String, source: MappingError },
    #[error(
        "topic template `{template}` begins with `genims/v1/`, which is the native layout; use another prefix, or give it \
         keys, states or a zone"
    )]
    NativePrefix { template: String },
    #[error("topic template `{template}`: segments mentions `{name}`, which the template does not contain")]
    UnusedMapping { template: String, name: String },
    #[error("topic template `{template}` matches the same topics as the earlier `{earlier}`; remove one of them")]
    Shadowed { template: String, earlier: String },
}

/// The words of ISA-95 and of the unified namespace. `enterprise` stands above the sites: see [`resolve_roles`].
const KNOWN_NAMES: [(&str, LevelRole); 15] = [
    ("factory", LevelRole::Factory),
    ("site", LevelRole::Factory),
    ("plant", LevelRole::Factory),
    ("enterprise", LevelRole::Factory),
    ("area", LevelRole::Ignored),
    ("line", LevelRole::Line),
    ("work_center", LevelRole::Line),
    ("machine", LevelRole::Machine),
    ("cell", LevelRole::Machine),
    ("asset", LevelRole::Machine),
    ("work_unit", LevelRole::Machine),
    ("sensor", LevelRole::Sensor),
    ("tag", LevelRole::Sensor),
    ("metric", LevelRole::Sensor),
    ("signal", LevelRole::Sensor),
];

const ENTERPRISE: &str = "enterprise";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(Box<str>),
    Named(LevelRole),
}

/// What the payloads below a template are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Sensor,
    Scada,
    Readings,
}

#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) text: String,
    pub(super) segments: Vec<Segment>,
    pub(super) ending: Ending,
    pub(super) mapping: Option<Mapping>,
}

impl Template {
    pub(super) fn compile(entry: &TopicTemplate) -> Result<Self, TemplateError> {
        let template = || entry.template.clone();
        if entry.template.contains(['+', '#']) {
            return Err(TemplateError::Wildcard { template: template() });
        }
        let mapping = Mapping::compile(&entry.keys, &entry.states, &entry.qualities, entry.zone.as_deref())
            .map_err(|source| TemplateError::Mapping { template: template(), source })?;
        if entry.template.starts_with(NATIVE_PREFIX) && mapping.is_none() {
            return Err(TemplateError::NativePrefix { template: template() });
        }
        let levels: Vec<&str> = entry.template.split('/').collect();
        if levels.len() > SEGMENTS_MAX {
            return Err(TemplateError::TooDeep {
                template: template(),
                segments: levels.len(),
                segments_max: SEGMENTS_MAX,
            });
        }
        for level in &levels {
            let name = placeholder(level);
            let is_empty = name == Some("") || entry.template.is_empty();
            if is_empty || name.unwrap_or(level).contains(['{', '}']) {
                return Err(TemplateError::BadSegment { template: template(), segment: (*level).to_owned() });
            }
        }
        let roles = resolve_roles(entry, &levels)?;
        let segments: Vec<Segment> = levels
            .iter()
            .zip(&roles)
            .map(|(level, role)| role.map_or_else(|| Segment::Literal((*level).into()), Segment::Named))
            .collect();
        let has = |role| roles.contains(&Some(role));
        let last = levels.last().copied().unwrap_or_default();
        let ending = match last {
            _ if has(LevelRole::Sensor) => Ending::Sensor,
            "scada" if has(LevelRole::Machine) => Ending::Scada,
            "readings" => Ending::Readings,
            _ if has(LevelRole::Machine) || !entry.keys.is_empty() => Ending::Readings,
            _ => return Err(TemplateError::NoSensor { template: template() }),
        };
        Ok(Self { text: template(), segments, ending, mapping })
    }

    /// Whether every topic that fits one also fits the other.
    pub(super) fn same_topics(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Literal(left), Segment::Literal(right)) => left == right,
                (Segment::Named(_), Segment::Named(_)) => true,
                _ => false,
            })
    }
}

/// The name inside `{name}`.
fn placeholder(level: &str) -> Option<&str> {
    level.strip_prefix('{')?.strip_suffix('}')
}

/// One role per level, `None` for literals. An `enterprise` beside a level that names the factory is ignored, as the
/// enterprise is then the group above it.
fn resolve_roles(entry: &TopicTemplate, levels: &[&str]) -> Result<Vec<Option<LevelRole>>, TemplateError> {
    let template = || entry.template.clone();
    let names: Vec<&str> = levels.iter().filter_map(|level| placeholder(level)).collect();
    if let Some(name) = entry.segments.keys().find(|name| !names.contains(&name.as_str())) {
        return Err(TemplateError::UnusedMapping { template: template(), name: name.clone() });
    }
    let role_of = |name: &str| {
        let known = || KNOWN_NAMES.iter().find(|(known, _)| *known == name).map(|(_, role)| *role);
        entry.segments.get(name).copied().or_else(known)
    };
    let site_named = names.iter().any(|name| *name != ENTERPRISE && role_of(name) == Some(LevelRole::Factory));
    let mut taken: Vec<(LevelRole, &str)> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut roles = Vec::with_capacity(levels.len());
    for level in levels {
        let Some(name) = placeholder(level) else {
            roles.push(None);
            continue;
        };
        if !seen.insert(name) {
            return Err(TemplateError::DuplicateName { template: template(), name: name.to_owned() });
        }
        let mut role =
            role_of(name).ok_or_else(|| TemplateError::UnknownName { template: template(), name: name.to_owned() })?;
        if name == ENTERPRISE && site_named && !entry.segments.contains_key(name) {
            role = LevelRole::Ignored;
        }
        if role != LevelRole::Ignored {
            if let Some((_, first)) = taken.iter().find(|(other, _)| *other == role) {
                let (first, second) = ((*first).to_owned(), name.to_owned());
                return Err(TemplateError::DuplicateRole { template: template(), first, second, role });
            }
            taken.push((role, name));
        }
        roles.push(Some(role));
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(template: &str, segments: &[(&str, LevelRole)]) -> Result<Template, TemplateError> {
        let segments = segments.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect();
        Template::compile(&TopicTemplate { template: template.to_owned(), segments, ..TopicTemplate::default() })
    }

    #[test]
    fn the_words_of_isa_95_need_no_mapping() {
        let template = compile("acme/{enterprise}/{site}/{area}/{line}/{cell}/{tag}", &[]).unwrap();
        let roles = [
            LevelRole::Ignored,
            LevelRole::Factory,
            LevelRole::Ignored,
            LevelRole::Line,
            LevelRole::Machine,
            LevelRole::Sensor,
        ];
        let expected: Vec<Segment> =
            std::iter::once(Segment::Literal("acme".into())).chain(roles.into_iter().map(Segment::Named)).collect();
        assert_eq!(template.segments, expected);
    }

    #[test]
    fn an_enterprise_alone_is_the_factory() {
        let template = compile("{enterprise}/{asset}/{metric}", &[]).unwrap();
        assert_eq!(template.segments[0], Segment::Named(LevelRole::Factory));
    }

    #[test]
    fn an_unknown_name_needs_a_mapping_and_the_error_says_how() {
        let error = compile("acme/{robot}/{tag}", &[]).unwrap_err();
        assert!(error.to_string().contains("segments = { robot ="), "{error}");
        assert!(compile("acme/{robot}/{tag}", &[("robot", LevelRole::Machine)]).is_ok());
        let error = compile("acme/{tag}", &[("robot", LevelRole::Machine)]).unwrap_err();
        assert!(matches!(error, TemplateError::UnusedMapping { .. }));
    }

    #[test]
    fn names_and_roles_stand_once() {
        let error = compile("{cell}/{machine}/{tag}", &[]).unwrap_err();
        assert!(matches!(error, TemplateError::DuplicateRole { role: LevelRole::Machine, .. }));
        assert!(compile("{cell}/{machine}/{tag}", &[("cell", LevelRole::Ignored)]).is_ok());
        let error = compile("{area}/{area}/{tag}", &[]).unwrap_err();
        assert!(matches!(error, TemplateError::DuplicateName { .. }));
    }

    #[test]
    fn a_template_needs_a_sensor_or_a_known_end() {
        assert!(matches!(compile("acme/{line}", &[]), Err(TemplateError::NoSensor { .. })));
        assert!(matches!(compile("acme/scada", &[]), Err(TemplateError::NoSensor { .. })));
        assert_eq!(compile("acme/{cell}/scada", &[]).unwrap().ending, Ending::Scada);
        assert_eq!(compile("acme/{cell}/readings", &[]).unwrap().ending, Ending::Readings);
        // The topics of those who name their sensors in the payload.
        for topic in ["zigbee2mqtt/{machine}", "losant/{machine}/state", "devices/{machine}/messages/events/"] {
            assert_eq!(compile(topic, &[]).unwrap().ending, Ending::Readings, "{topic}");
        }
    }

    #[test]
    fn wildcards_half_named_levels_and_depth_are_refused() {
        assert!(matches!(compile("acme/+/{tag}", &[]), Err(TemplateError::Wildcard { .. })));
        assert!(matches!(compile("acme/#", &[]), Err(TemplateError::Wildcard { .. })));
        for bad in ["acme/line-{line}/{tag}", "acme/{}/{tag}", "{{tag}}", "", "acme/{tag"] {
            assert!(matches!(compile(bad, &[]), Err(TemplateError::BadSegment { .. })), "{bad}");
        }
        for good in ["/plant/{cell}/{tag}", "acme//{tag}", "acme/{tag}/", "//{tag}"] {
            assert!(compile(good, &[]).is_ok(), "{good}");
        }
        let deep = format!("{}{{tag}}", "a/".repeat(SEGMENTS_MAX));
        assert!(matches!(compile(&deep, &[]), Err(TemplateError::TooDeep { .. })));
        assert!(matches!(compile("genims/v1/{tag}", &[]), Err(TemplateError::NativePrefix { .. })));
    }

    #[test]
    fn an_entry_reads_from_toml_and_refuses_unknown_keys() {
        let entry: TopicTemplate =
            toml::from_str("template = \"a/{x}/{tag}\"\nsegments = { x = \"machine\" }").unwrap();
        assert_eq!(entry.segments["x"], LevelRole::Machine);
        assert!(toml::from_str::<TopicTemplate>("templat = \"a/{tag}\"").is_err());
    }
}
