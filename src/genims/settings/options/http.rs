//! The keys of the HTTP side.

use super::{DAY, Number, SECOND, Section, Switch, Text, Time, Words, key};

pub(in super::super) const HTTP: Section = Section {
    title: "http",
    kind: None,
    keys: &[
        key(
            "listen",
            Text("address:port or host:port"),
            "where the page (/), /api/v1, /stats, /metrics, /healthz and /readyz are",
        ),
        key("tls", Text("{ cert_file, key_file }"), "TLS, as [http.tls] below; in clear without it"),
        key("plaintext", Switch, "listens in clear outside loopback, which is refused without it"),
        key(
            "sign_in",
            Words(&["required", "off"]),
            "whether users (`genims user`) sign in; if not given: required outside loopback, off on it",
        ),
        key("open_metrics", Switch, "/metrics asks for no token where users sign in"),
        key("users", Text("a file"), "the users, as `genims user` writes it; users.toml in data_dir if not given"),
        key(
            "failures_max",
            Number(1, 1_000_000),
            "wrong secrets in a row, for one name from one address, that lock the name for that address",
        ),
        key("lockout", Time(SECOND, DAY), "how long"),
        key("session_idle", Time(SECOND, DAY), "a session without a request for so long ends; watching is no request"),
        key("session_max", Time(SECOND, DAY), "a session of this age ends"),
    ],
};

pub(in super::super) const HTTP_TLS: Section = Section {
    title: "http.tls",
    kind: None,
    keys: &[
        key(
            "cert_file",
            Text("a file (PEM)"),
            "the certificate of the HTTP side, with those between it and its authority behind it; read again when it changes",
        ),
        key("key_file", Text("a file (PEM)"), "its key; read again with it"),
    ],
};
