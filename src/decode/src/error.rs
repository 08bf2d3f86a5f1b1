//! What can be wrong with a `[[topics]]` entry. All of it is found when the server starts and none of it passes by
//! itself, hence [`TemplateError::is_transient`].

use super::template::Role;

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
    DuplicateRole { template: String, first: String, second: String, role: Role },
    #[error("topic template `{template}`: `{{{name}}}` is there twice; give each segment a name of its own")]
    DuplicateName { template: String, name: String },
    #[error(
        "topic template `{template}` names no sensor; add a `{{sensor}}` or `{{tag}}` segment, or end it in \
         `/readings` (elements name their sensors) or `{{machine}}/scada` (snapshots)"
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
    #[error("topic template `{template}` begins with `genims/v1/`, which is the native layout; use another prefix")]
    NativePrefix { template: String },
    #[error("topic template `{template}`: segments mentions `{name}`, which the template does not contain")]
    UnusedMapping { template: String, name: String },
    #[error("topic template `{template}` matches the same topics as the earlier `{earlier}`; remove one of them")]
    Shadowed { template: String, earlier: String },
}

impl TemplateError {
    /// Never: the configuration has to change.
    pub fn is_transient(&self) -> bool {
        false
    }
}
