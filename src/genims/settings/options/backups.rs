//! The keys of backups.

use super::{Section, Text, key};

pub(in super::super) const BACKUPS: Section = Section {
    title: "backups",
    kind: None,
    keys: &[key(
        "folder",
        Text("a folder, or s3://BUCKET/PREFIX"),
        "where `genims backup due --to` saves: how old backups are is shown from there, once a minute; nothing is written. Without it nothing is known of them",
    )],
};
