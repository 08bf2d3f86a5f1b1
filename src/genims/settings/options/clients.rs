//! The keys of clients that log in.

use super::{CONNECTIONS_MAX, DAY, Number, SECOND, Section, Text, Time, key};
use genims_listen::locks::clients::file::READINGS_PER_SECOND_MAX;

pub(in super::super) const CLIENTS: Section = Section {
    title: "clients",
    kind: None,
    keys: &[
        key("file", Text("a file"), "the clients, as `genims client` writes it; clients.toml in data_dir if not given"),
        key(
            "failures_max",
            Number(1, 1_000_000),
            "wrong secrets in a row, for one name from one address, that lock the name for that address",
        ),
        key("lockout", Time(SECOND, DAY), "how long"),
        key(
            "readings_per_second_max",
            Number(0, READINGS_PER_SECOND_MAX),
            "what each client may send, over all its connections; one that sends more is read more slowly. 0 is any number; `genims client limit` says otherwise for one",
        ),
        key(
            "connections_max",
            Number(0, CONNECTIONS_MAX),
            "connections of each client at once, at all listeners; more are refused. 0 is any number; `genims client limit` says otherwise for one",
        ),
    ],
};
