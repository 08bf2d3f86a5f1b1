//! Every key of the configuration: what it takes and what it is for. The one table that [`ranges`](super::ranges) checks
//! by and that [`reference`](super::reference) prints; that it has the keys of the options' types, and no others, is
//! held by a test.

mod backups;
mod clients;
mod http;

pub(super) use backups::BACKUPS;
pub(super) use clients::CLIENTS;
pub(super) use http::{HTTP, HTTP_TLS};

use genims_log::file::SpoolOptions;
use std::time::Duration;

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Allowed {
    /// A whole number, both ends included.
    Number(u64, u64),
    AtLeast(u64),
    /// A duration, both ends included.
    Time(Duration, Duration),
    Words(&'static [&'static str]),
    Switch,
    /// Checked by whoever reads it; the form in words.
    Text(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) allowed: Allowed,
    pub(super) meaning: &'static str,
}

/// One table of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    /// As it stands in the file; empty for the top.
    pub(super) title: &'static str,
    /// Of the `[[listeners]]` and `[[sinks]]`.
    pub(super) kind: Option<&'static str>,
    pub(super) keys: &'static [Key],
}

const fn key(name: &'static str, allowed: Allowed, meaning: &'static str) -> Key {
    Key { name, allowed, meaning }
}

use Allowed::{AtLeast, Number, Switch, Text, Time, Words};

/// The protocol's own bound of a packet.
const MQTT_PACKET_BYTES_MAX: u64 = 268_435_455;
/// As many handles as a system gives at most, by default.
const CONNECTIONS_MAX: u64 = 1 << 20;
const ZERO: Duration = Duration::ZERO;
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const THIRTY_DAYS: Duration = Duration::from_secs(30 * 24 * 3_600);
/// humantime's.
const TEN_YEARS: Duration = Duration::from_secs(315_576_000);
/// MQTT counts keep-alives in 16 bits of seconds.
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(65_535);

const TYPE: Key = key("type", Text("the word in this heading"), "what it is; has no default");
const NAME: Key = key(
    "name",
    Text("a text that no other listener has"),
    "what logs, metrics and dead letters call it; its type and its number if not given",
);
const LISTEN: Key = key("listen", Text("address:port or host:port"), "where it listens");
const CONNECTIONS: Key = key("connections_max", Number(1, CONNECTIONS_MAX), "connections at once; more are refused");
const CONNECTIONS_PER_ADDRESS: Key = key(
    "connections_per_address_max",
    Number(0, CONNECTIONS_MAX),
    "of clients without an account, from one address; 0 is any number. One that comes back is counted beside its old connection until that ends: leave room for both",
);
const ACKNOWLEDGE: Key = key(
    "acknowledge",
    Words(&["durable", "committed"]),
    "when a sender is told that its data is safe: after the fsync of the spool, or after the PostgreSQL commit",
);
const TLS_TABLE: Key = key(
    "tls",
    Text("{ cert_file, key_file, client_ca_file, client_certificate, crl_file }"),
    "TLS, as [listeners.tls] below; in clear without it",
);
const PLAINTEXT: Key = key("plaintext", Switch, "listens in clear outside loopback, which is refused without it");
const ANONYMOUS: Key = key(
    "anonymous",
    Switch,
    "with [clients], those who show neither a name and secret nor a certificate are let in, too; the limits of [clients] do not hold for them",
);
const PACKET_BYTES: Allowed = Number(1_024, MQTT_PACKET_BYTES_MAX);

pub(super) const TOP: Section = Section {
    title: "",
    kind: None,
    keys: &[key(
        "data_dir",
        Text("a folder"),
        "spool, catalogue journal: everything that must survive a crash; one server per folder",
    )],
};

pub(super) const MQTT: Section = Section {
    title: "listeners",
    kind: Some("mqtt"),
    keys: &[
        TYPE,
        NAME,
        LISTEN,
        CONNECTIONS,
        CONNECTIONS_PER_ADDRESS,
        key("packet_bytes_max", PACKET_BYTES, "a client that sends a larger packet is disconnected"),
        key(
            "receive_maximum",
            Number(1, 65_535),
            "QoS 1 and 2 messages that one client may have under way; v5 clients that send more are disconnected, v3 clients wait",
        ),
        key("topic_alias_maximum", Number(0, 65_535), "topic aliases that a v5 client may use"),
        key(
            "keep_alive_max",
            Time(SECOND, KEEP_ALIVE_MAX),
            "longer keep-alives, and none at all, are shortened to this where v5 allows to say so",
        ),
        key("connect_timeout", Time(MILLISECOND, MINUTE), "how long a connection may take to say CONNECT"),
        key("session_expiry_max", Time(ZERO, TEN_YEARS), "how long the session of an absent client is kept"),
        key("sessions_max", Number(0, 1 << 24), "sessions kept without a connection"),
        key("will_delay_max", Time(ZERO, TEN_YEARS), "how long a will may be put off"),
        key(
            "write_timeout",
            Time(MILLISECOND, TEN_MINUTES),
            "how long a client may take nothing of what is written to it",
        ),
        key(
            "drain_timeout",
            Time(ZERO, MINUTE),
            "how long open receipts are waited for at shutdown, or after the client has closed its side",
        ),
        ACKNOWLEDGE,
        key(
            "proxy_protocol",
            Switch,
            "every connection comes through a load balancer that sends a PROXY header (version 1 or 2) first; those without one are refused",
        ),
        TLS_TABLE,
        PLAINTEXT,
        ANONYMOUS,
    ],
};

pub(super) const TCP: Section = Section {
    title: "listeners",
    kind: Some("tcp"),
    keys: &[
        TYPE,
        NAME,
        LISTEN,
        CONNECTIONS,
        CONNECTIONS_PER_ADDRESS,
        key("body_bytes_max", Number(1_024, 1 << 28), "the largest body that a client may send"),
        key("in_flight_frames_max", Number(1, 1 << 20), "DATA frames that one client may have under way"),
        key("in_flight_bytes_max", Number(1_024, 1 << 30), "their bytes"),
        key("hello_timeout", Time(MILLISECOND, MINUTE), "how long a connection may take to say HELLO"),
        key("idle_timeout", Time(SECOND, DAY), "silence, with nothing in flight, after which a connection is closed"),
        key(
            "takeover_timeout",
            Time(MILLISECOND, MINUTE),
            "how long a new connection waits for the same client's older one to hand over",
        ),
        key(
            "drain_timeout",
            Time(ZERO, MINUTE),
            "how long open frames are waited for at shutdown, or after the client has closed its side",
        ),
        ACKNOWLEDGE,
        TLS_TABLE,
        PLAINTEXT,
        ANONYMOUS,
    ],
};

pub(super) const LINE: Section = Section {
    title: "listeners",
    kind: Some("line"),
    keys: &[
        TYPE,
        NAME,
        LISTEN,
        CONNECTIONS,
        CONNECTIONS_PER_ADDRESS,
        key("precision", Words(&["s", "ms", "us", "ns"]), "what timestamps count; told by their digits if not given"),
        key("line_bytes_max", Number(64, 1 << 24), "longer lines become dead letters, their first 1 MiB kept"),
        key(
            "idle_timeout",
            Time(SECOND, DAY),
            "silence after which a connection is closed; longer than any flush interval in use",
        ),
        key("drain_timeout", Time(ZERO, MINUTE), "how long lines already read are waited for at shutdown"),
        TLS_TABLE,
        PLAINTEXT,
        ANONYMOUS,
    ],
};

/// Of the listeners but bridges.
pub(super) const TLS: Section = Section {
    title: "listeners.tls",
    kind: None,
    keys: &[
        key(
            "cert_file",
            Text("a file (PEM)"),
            "the listener's certificate, with those between it and its authority behind it; read again when it changes, as all files here",
        ),
        key("key_file", Text("a file (PEM)"), "its key"),
        key(
            "client_ca_file",
            Text("a file (PEM)"),
            "the authorities of clients' certificates; without it none is asked for one",
        ),
        key(
            "client_certificate",
            Words(&["required", "optional"]),
            "whether a client without a certificate is refused, or may log in with a secret",
        ),
        key(
            "crl_file",
            Text("a file (PEM)"),
            "revocation lists, one of each authority that a client's certificate goes through",
        ),
    ],
};

pub(super) const BRIDGE: Section = Section {
    title: "listeners",
    kind: Some("bridge"),
    keys: &[
        TYPE,
        NAME,
        key("broker", Text("mqtt://host[:port] or mqtts://host[:port]"), "the broker to subscribe to"),
        key("mqtt_version", Words(&["3.1.1", "5"]), "what is spoken with it"),
        key(
            "client_id",
            Text("1 to 65535 bytes"),
            "the broker keeps the session under it; made of the server's and the listener's name if not given",
        ),
        key(
            "topics",
            Text("a list of topic filters"),
            "what is subscribed to; $share/{group}/{filter} shares with the other members of the group",
        ),
        key("qos", Number(0, 2), "the quality of service asked for"),
        key(
            "clean_session",
            Switch,
            "the broker forgets us with every disconnect: messages published meanwhile are lost",
        ),
        key(
            "session_expiry",
            Time(ZERO, TEN_YEARS),
            "MQTT 5: how long the broker keeps the session of an absent bridge",
        ),
        key("username", Text("a text"), "login at the broker"),
        key("password", Text("a text"), "its password, as ${NAME} from the environment"),
        key("password_file", Text("a file"), "its content, without the last newline, is the password"),
        key("ca_file", Text("a file (PEM)"), "certificates to trust with mqtts://; those of the system if not given"),
        key("cert_file", Text("a file (PEM)"), "our own certificate, with key_file"),
        key("key_file", Text("a file (PEM)"), "its key"),
        key(
            "keep_alive",
            Time(Duration::from_secs(5), KEEP_ALIVE_MAX),
            "silence after which the broker is asked whether it is there",
        ),
        key("connect_timeout", Time(MILLISECOND, MINUTE), "how long one attempt may take"),
        key(
            "packet_bytes_max",
            PACKET_BYTES,
            "a larger message becomes a dead letter, its first 1 MiB kept; what is over this and over in_flight_bytes_max (and \
             64 KiB) a broker of MQTT 5 drops unseen, because memory holds a packet whole: raise in_flight_bytes_max to have \
             it as a dead letter",
        ),
        key("in_flight_messages_max", Number(1, 65_535), "messages taken from the broker but not yet acknowledged"),
        key("in_flight_bytes_max", Number(1_024, 1 << 30), "their bytes"),
        key(
            "reconnect_delay_min",
            Time(MILLISECOND, TEN_MINUTES),
            "the pause before a new attempt is random, up to a bound that doubles from here",
        ),
        key("reconnect_delay_max", Time(MILLISECOND, DAY), "to here; not less than reconnect_delay_min"),
        key("drain_timeout", Time(ZERO, MINUTE), "how long open messages are waited for at shutdown"),
        ACKNOWLEDGE,
    ],
};

pub(super) const TOPICS: Section = Section {
    title: "topics",
    kind: None,
    keys: &[
        key(
            "template",
            Text("like acme/{site}/{area}/{line}/{cell}/{tag}"),
            "a topic layout beside the native one; levels in braces are named",
        ),
        key("zone", Text("like Europe/Berlin"), "where the clocks stand that write times without an offset there"),
        key(
            "segments",
            Text("{ name = \"factory|line|machine|sensor|ignored\" }"),
            "what named levels stand for whose names do not say it",
        ),
        key(
            "keys",
            Text("{ value = \"m.v\", time = \"at\", sensor, machine, quality, list }"),
            "which keys of the JSON below these topics say what; a point leads into an object",
        ),
        key("states", Text("{ OPEN = 0, AUTO = 2 }"), "words that stand for values there"),
        key("qualities", Text("{ OK = \"good\" }"), "words that stand for qualities there: good, uncertain, bad"),
    ],
};

pub(super) const PIPELINE: Section = Section {
    title: "pipeline",
    kind: None,
    keys: &[
        key("shards", Number(0, 64), "threads that analyse; 0 is one per core, four at most"),
        key("queue_records", Number(1_024, 1 << 24), "records that may wait in front of one shard"),
        key(
            "when_full",
            Words(&["block", "drop_newest"]),
            "with the spool at its cap senders wait, or new records are given up and counted",
        ),
        key(
            "unknown_sensors",
            Words(&["dead_letter", "register"]),
            "readings of sensors that master data lacks wait as dead letters, or the sensor is entered",
        ),
        key(
            "same_timestamp",
            Words(&["keep_all", "first", "last", "reject"]),
            "which of two different values of one sensor and time is stored",
        ),
        key("late_after", Time(ZERO, THIRTY_DAYS), "older readings count as late"),
        key(
            "clock_skew_tolerated",
            Time(ZERO, DAY),
            "so far ahead of our clock is as good as now; not more than clock_skew_max",
        ),
        key("clock_skew_max", Time(ZERO, DAY), "readings further ahead of our clock become dead letters"),
    ],
};

pub(super) const SPOOL: Section = Section {
    title: "spool",
    kind: None,
    keys: &[
        key("max_bytes", AtLeast(SpoolOptions::MAX_BYTES_MIN), "what all segments together may occupy"),
        key("segment_bytes", AtLeast(0), "records in one segment; at most an eighth of max_bytes is used"),
        key("memory_bytes", AtLeast(0), "groups kept in memory for the readers that keep up"),
        key(
            "retain_bytes",
            AtLeast(0),
            "consumed segments kept to recognise resends after a restart; at most a quarter of max_bytes is used",
        ),
    ],
};

const SINK_KEYS: &[Key] = &[
    TYPE,
    key("batch_size", Number(1, 1_000_000), "records in a batch"),
    key("batch_bytes_max", Number(1 << 16, 1 << 30), "bytes of memory in a batch"),
    key("linger", Time(ZERO, MINUTE), "how long an idle sink waits for company for the first record"),
    key("flush_interval", Time(MILLISECOND, MINUTE), "how long a busy sink waits at most"),
];

pub(super) const POSTGRES: Section = Section { title: "sinks", kind: Some("postgres"), keys: SINK_KEYS };
pub(super) const MONGODB: Section = Section { title: "sinks", kind: Some("mongodb"), keys: SINK_KEYS };

pub(super) const ROUTES: Section = Section {
    title: "routes",
    kind: None,
    keys: &[
        key(
            "directory",
            Text("a folder of route files"),
            "routes of your own instead of those that come with the program",
        ),
        key(
            "max_bytes",
            Number(1 << 20, 1 << 50),
            "what the log of events may occupy; a database may be a quarter of it behind. Rows beyond that count apart: at as much again no more are taken for databases that are behind",
        ),
    ],
};

pub(super) const ROWS: Section = Section {
    title: "rows",
    kind: None,
    keys: &[
        key(
            "databases",
            Text("a list of databases, * for any characters"),
            "the databases that rows are taken for; the log of events holds what each of them lacks",
        ),
        key(
            "anonymous",
            Text("a list of DATABASE.TABLE, * for any characters in either"),
            "the tables that clients without an account may write; those with one: `genims client allow --rows`",
        ),
    ],
};

pub(super) const DEAD_LETTERS: Section = Section {
    title: "dead_letters",
    kind: None,
    keys: &[
        key("keep_for", Time(MINUTE, TEN_YEARS), "how long a dead letter is kept after it came last"),
        key("max_bytes", Number(1 << 20, 1 << 50), "what all dead letters may hold together; the oldest go first"),
    ],
};

/// In the order of the file.
pub(super) const ALL: [Section; 18] = [
    TOP,
    HTTP,
    HTTP_TLS,
    MQTT,
    TCP,
    LINE,
    TLS,
    BRIDGE,
    CLIENTS,
    TOPICS,
    PIPELINE,
    SPOOL,
    POSTGRES,
    MONGODB,
    ROUTES,
    ROWS,
    DEAD_LETTERS,
    BACKUPS,
];
