//! What users may: a role is a set of rights, a path asks for one of them.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees what happens.
    Operator,
    /// And does what the HTTP side can do.
    Engineer,
    /// Sees the audit, and nothing else.
    Auditor,
    /// All of it, and who the users are.
    Admin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Whatever concerns oneself.
    Own,
    Read,
    Act,
    Audit,
    Manage,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Operator, Self::Engineer, Self::Auditor, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Engineer => "engineer",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn has(self, right: Right) -> bool {
        match right {
            Right::Own => true,
            Right::Read => self != Self::Auditor,
            Right::Act => matches!(self, Self::Engineer | Self::Admin),
            Right::Audit => matches!(self, Self::Auditor | Self::Admin),
            Right::Manage => self == Self::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| format!("one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}
