//! What an attacker would look for, found first: `genims security audit`.
//!
//! Enter: settings, the environment, the time. Leave: findings, each with its remedy. Nothing is changed, and nothing is connected
//! to; what the databases themselves let people do is the doctor's to say.
//!
//! - `doors`: listeners, bridges and the HTTP side: who reaches them, in clear or not, and whether anybody is asked who he is
//! - `files`: rights on files and folders that hold secrets or decide what runs
//! - `certificates`: those that have expired or soon will
//! - `secrets`: passwords that everybody would try first

mod certificates;
mod doors;
mod files;
pub(crate) mod secrets;

use crate::settings::Settings;
use genims_databases::{DatabaseError, Environment};
use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody can read, send or change what he should not.
    High,
    /// It will become so, or makes it easier.
    Medium,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Ports,
    Tls,
    Accounts,
    Files,
    Certificates,
    Secrets,
    /// What a database lets its logins do.
    Rights,
}

impl Subject {
    /// As it is told, and as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ports => "ports",
            Self::Tls => "tls",
            Self::Accounts => "accounts",
            Self::Files => "files",
            Self::Certificates => "certificates",
            Self::Secrets => "secrets",
            Self::Rights => "rights",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub subject: Subject,
    pub found: String,
    pub remedy: String,
}

impl Finding {
    fn high(subject: Subject, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::High, subject, found: found.into(), remedy: remedy.into() }
    }

    fn medium(subject: Subject, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Medium, ..Self::high(subject, found, remedy) }
    }
}

/// Everything that this machine's files tell; what matters most comes first. `config` is the file that settings were read from.
pub fn audit(
    settings: &Settings,
    config: Option<&Path>,
    environment: &Environment,
    now: SystemTime,
) -> Result<Vec<Finding>, DatabaseError> {
    let mut findings = doors::look(settings);
    findings.extend(files::look(settings, config, environment)?);
    findings.extend(certificates::look(settings, now));
    findings.extend(secrets::look(environment)?);
    findings.sort_by_key(|finding| finding.severity);
    Ok(findings)
}
