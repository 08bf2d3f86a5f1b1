//! What a configuration may say, and what is told of one that is wrong.

use super::*;
use genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX;
use std::time::Duration;

fn parse(text: &str) -> Result<Settings, SettingsError> {
    let text = format!("{text}\n[http]\nlisten = \"127.0.0.1:0\"");
    Settings::parse(&text, Path::new("test.toml"), &Environment::default())
}

#[test]
fn what_a_file_says_of_a_sink_stands_over_what_is_usual_for_its_kind() {
    let text = "[[sinks]]\ntype = \"postgres\"\n[[sinks]]\ntype = \"mongodb\"\nlinger = \"300ms\"";
    let settings = parse(text).expect("a good file");
    assert_eq!(settings.postgres, Some(BatchLimits::default()));
    let mirror = BatchLimits { linger: Duration::from_millis(300), ..BatchLimits::of_mirror() };
    assert_eq!(settings.mongodb, Some(mirror));
}

#[test]
fn retention_is_what_the_registry_says_and_is_said_nowhere_else() {
    let days = |name| {
        let kept = registry::retention(name).expect("the embedded registry").expect("not for good");
        assert_eq!(kept.as_secs() % 3_600, 0, "{name}");
        kept.as_secs() / 86_400
    };
    let environment = Environment::default();
    let settings = Settings::parse("[http]\nlisten = \"127.0.0.1:0\"", Path::new("t"), &environment).expect("fine");
    assert_eq!(settings.pipeline.retention.as_secs() / 86_400, days("genims_operations_db"));
    let error = parse("[pipeline]\nretention = \"90d\"").expect_err("said twice").to_string();
    assert!(error.contains("pipeline.retention") && error.contains("config/databases.toml"), "{error}");
    assert!(!DEFAULT.contains("retention"), "config/genims.toml");
    // What the documents tell people.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (operations, mirror) = (days("genims_operations_db"), days("genims_production"));
    assert!(text.contains(&format!("PostgreSQL keeps readings {operations} days, the mirror {mirror} days")));
    // What the audit trail's policies say of each database.
    let seed = std::fs::read_to_string(root.join("config/seed/genims_audit_db/control.toml")).expect("the policies");
    let policies = seed.lines().filter(|line| line.starts_with("RET-"));
    let mut compared = 0;
    for fields in policies.map(|line| line.split(',').collect::<Vec<_>>()) {
        let (database, said) = (fields[2], fields[5].parse::<u64>().expect("days"));
        // Policies count a year as 365 days.
        assert_eq!(said.div_ceil(366), days(database).div_ceil(366), "{database}");
        compared += 1;
    }
    assert!(compared >= 8 && seed.contains(&format!("genims_operations_db,sensor_data,telemetry,{operations},")));
}

#[test]
fn waiting_for_commits_needs_the_sink_that_commits() {
    let bridge = "[[listeners]]\nname = \"b\"\ntype = \"bridge\"\nbroker = \"mqtt://localhost\"\ntopics = [\"#\"]";
    for listener in
        ["[[listeners]]\nname = \"b\"\ntype = \"mqtt\"", "[[listeners]]\nname = \"b\"\ntype = \"tcp\"", bridge]
    {
        let waits = format!("{listener}\nacknowledge = \"committed\"\n[[sinks]]\ntype = ");
        let error = parse(&format!("{waits}\"mongodb\"")).expect_err(listener).to_string();
        assert!(error.contains("listeners[0].acknowledge") && error.contains("type = \"postgres\""), "{error}");
        parse(&format!("{waits}\"postgres\"")).expect("somebody commits");
        parse(listener).expect("nobody waits for commits");
    }
}

#[test]
fn an_unknown_key_and_a_second_sink_of_a_kind_are_named() {
    for (text, place) in [
        ("[[sinks]]\ntype = \"mongodb\"\nlingers = \"1s\"", "lingers"),
        ("[[sinks]]\ntype = \"postgres\"\n[[sinks]]\ntype = \"postgres\"", "sinks[1]"),
        ("[[listeners]]\ntype = \"tcp\"\nack_on_commit = true", "ack_on_commit"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(place), "{error}");
    }
}

/// What is told of a file that is wrong.
fn told(text: &str) -> String {
    let environment = Environment::default();
    Settings::parse(text, Path::new("plant.toml"), &environment).expect_err(text).to_string()
}

#[test]
fn a_fault_has_file_line_key_value_and_what_is_allowed() {
    let listener = |lines: &str| format!("# a plant\n\n[[listeners]]\ntype = \"mqtt\"\n{lines}");
    let bridge = |lines: &str| format!("[[listeners]]\ntype = \"bridge\"\n{lines}");
    for (text, parts) in [
        (
            listener("conections_max = 7"),
            vec!["plant.toml:5:", "listeners[0].conections_max = 7", "unknown key", "did you mean connections_max?"],
        ),
        (listener("connections_max = 0"), vec!["plant.toml:5:", "connections_max = 0", "must be 1 to 1048576"]),
        (
            listener("connections_max = \"many\""),
            vec!["plant.toml:5:", "connections_max = \"many\"", "a whole number without quotes"],
        ),
        (listener("packet_bytes_max = 10"), vec![":5:", "packet_bytes_max = 10", "268435455"]),
        (listener("keep_alive_max = \"0s\""), vec![":5:", "must be 1s to 18h12m15s"]),
        (listener("keep_alive_max = \"soon\""), vec![":5:", "\"soon\"", "\"10s\""]),
        (listener("acknowledge = \"duraple\""), vec![":5:", "did you mean durable?", "committed"]),
        (listener("listen = \"1883\""), vec![":5:", "listen = \"1883\"", "127.0.0.1:1883"]),
        (listener("listen = \"${WHERE}\""), vec![":5:", "listen = \"${WHERE}\"", "WHERE, which is not set"]),
        (listener("[spol]\nmax_bytes = 1"), vec![":5:", "spol", "did you mean spool?"]),
        (listener("[spool]\nmax_bytes = 1"), vec![":6:", "spool.max_bytes = 1", "must be at least 32768"]),
        (listener("[spool]\ndirectory = \"/x\""), vec![":6:", "spool.directory", "unknown key"]),
        (listener("[pipeline]\nshards = 99"), vec![":6:", "pipeline.shards = 99", "0 to 64"]),
        (listener("[pipeline]\nwhen_full = \"drop\""), vec![":6:", "when_full = \"drop\"", "drop_newest"]),
        (listener("[pipeline]\nclock_skew_tolerated = \"2h\""), vec![":6:", "clock_skew_max"]),
        (listener("[[sinks]]\ntype = \"postgres\"\nbatch_size = 0"), vec![":7:", "sinks[0].batch_size = 0"]),
        (
            listener("[pipeline]\nsame_timestamp = \"last\"\n[[sinks]]\ntype = \"mongodb\""),
            vec![":6:", "same_timestamp = \"last\"", "keep_all, first or reject", "mongodb"],
        ),
        (
            listener("[[topics]]\ntemplate = \"a/{tag}\"\n[topics.keys]\nvalu = \"x\""),
            vec![":8:", "topics[0].keys.valu", "did you mean value?"],
        ),
        (listener("[[topics]]\ntemplate = \"a/{tag}\"\nstates = { ON = \"x\" }"), vec![":7:", "topics[0].states.ON"]),
        (listener("[[topics]]\ntemplate = \"a/{tag}\"\nkeys = { value = \"a..b\" }"), vec!["a/{tag}", "outer.inner"]),
        (listener("[[sinks]]\ntype = \"oracle\""), vec![":6:", "type = \"oracle\"", "postgres, mongodb"]),
        (listener("[[sinks]]\nlinger = \"1s\""), vec![":5:", "has no type"]),
        (bridge("broker = \"broker:1883\""), vec!["plant.toml:1:", "mqtt://host[:port]"]),
        (bridge("topics = [\"a/#/b\"]"), vec!["plant.toml:1:", "topics"]),
        (bridge("password = 5"), vec!["plant.toml:3:", "listeners[0].password: "]),
        (bridge("reconnect_delay_max = \"1ms\""), vec!["plant.toml:3:", "reconnect_delay_min"]),
        ("data_dir = 5".to_owned(), vec!["plant.toml:1:", "data_dir = 5"]),
    ] {
        let told = told(&text);
        for part in parts {
            assert!(told.contains(part), "{text}\n-> {told}\nlacks {part}");
        }
        assert!(!told.contains(" = 5:") || !told.contains("password"), "{told}");
    }
}

/// All that is told of a file that is wrong.
fn complaints(text: &str) -> Vec<Complaint> {
    let environment = Environment::default();
    Settings::parse(text, Path::new("plant.toml"), &environment).expect_err(text).complaints()
}

#[test]
fn all_faults_are_told_at_once_and_each_once() {
    let text = "data_dir = 5\nspol = 1\n[http]\nlisten = 9400\n[[listeners]]\ntype = \"mqtt\"\nconections_max = 7\n\
                packet_bytes_max = 1\nlisten = \"${NOWHERE}\"\n[[listeners]]\ntype = \"mqt\"\n[[listeners]]\n\
                type = \"bridge\"\ntopics = \"#\"\nqos = 7\nclean_session = \"no\"\n[pipeline]\nlate_after = 5\n\
                when_full = \"blok\"\n[[sinks]]\ntype = \"postgres\"\nbatch_size = 1.5\n[[sinks]]\ntype = \"postgres\"\n";
    let found = complaints(text);
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    for expected in [
        "plant.toml:1: data_dir = 5: must be a text, in quotes",
        "plant.toml:2: spol = 1: unknown key; did you mean spool?",
        "plant.toml:4: http.listen = 9400: must be address:port or host:port, in quotes",
        "plant.toml:7: listeners[0].conections_max = 7: unknown key; did you mean connections_max?",
        "plant.toml:8: listeners[0].packet_bytes_max = 1: must be 1024 to 268435455",
        "plant.toml:9: listeners[0].listen = \"${NOWHERE}\": ",
        "plant.toml:11: listeners[1].type = \"mqt\": not a type known here; did you mean mqtt?",
        "plant.toml:14: listeners[2].topics = \"#\": must be a list",
        "plant.toml:15: listeners[2].qos = 7: must be 0 to 2",
        "plant.toml:16: listeners[2].clean_session = \"no\": must be true or false, without quotes",
        "plant.toml:18: pipeline.late_after = 5: must be 0s to 30days, written like \"10s\"",
        "plant.toml:19: pipeline.when_full = \"blok\": not a word known here; did you mean block?",
        "plant.toml:22: sinks[0].batch_size = 1.5: must be 1 to 1000000, a whole number",
        "plant.toml:23: sinks[1]: a second sink",
    ] {
        assert_eq!(told.iter().filter(|told| told.starts_with(expected)).count(), 1, "{expected}\n{told:#?}");
    }
    assert_eq!(told.len(), 14, "{told:#?}");
    let known = &found[1];
    assert_eq!((known.line, known.key.as_deref(), known.value.as_deref()), (Some(2), Some("spol"), Some("1")));
    assert_eq!(known.nearest.as_deref(), Some("spool"));
    assert!(known.allowed.as_deref().is_some_and(|allowed| allowed.contains("listeners")));
}

#[test]
fn nothing_is_told_in_the_words_of_the_program() {
    let topics = |lines: &str| format!("[[topics]]\ntemplate = \"a/{{tag}}\"\n{lines}");
    for (text, expected) in [
        ("[topics]\ntemplate = \"a\"".to_owned(), "topics: must be a list of tables: write [[topics]]"),
        ("topics = [1]".to_owned(), "topics[0] = 1: must be a table"),
        ("listeners = \"mqtt\"".to_owned(), "must be a list of tables: write [[listeners]]"),
        ("pipeline = 5".to_owned(), "pipeline = 5: must be a table: write [pipeline]"),
        (topics("keys = 5"), "topics[0].keys = 5: must be {"),
        (topics("states = { ON = \"x\" }"), "topics[0].states.ON = \"x\": must be a number"),
        (topics("segments = { tag = \"senzor\" }"), "did you mean sensor?"),
        ("[[listeners]]\ntype = 5".to_owned(), "listeners[0].type = 5: must be a text"),
        ("[[listeners]]\ntype = \"mqtt\"\nname = 5".to_owned(), "listeners[0].name = 5: must be a text"),
        ("data_dir = \"\"".to_owned(), "data_dir = \"\": must be a folder"),
        ("[[listeners]]\ntype = \"bridge\"\nbroker = \"mqtt://h:0\"".to_owned(), "1 to 65535"),
    ] {
        let told = complaints(&text).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(expected), "{text}\n-> {told}\nlacks {expected}");
        for word in ["struct", "expected ", "invalid type", "usize", "f64", "map,"] {
            assert!(!told.contains(word), "{text}\n-> {told}\nhas {word}");
        }
        // Once.
        assert_eq!(told.matches("plant.toml").count(), 1, "{told}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_line_and_once() {
    let told = told("[http]\nlisten = \"127.0.0.1:1\"\nx = [1\n\n[spool]\n");
    assert!(told.starts_with("the configuration plant.toml:") && told.contains("is no TOML: "), "{told}");
    assert!(!told.contains('\n') && told.matches("TOML").count() == 1, "{told}");
}

#[test]
fn the_entry_at_fault_is_told_and_not_the_first() {
    let entry = |template: &str| format!("[[topics]]\ntemplate = \"{template}\"\n");
    let text = entry("a/{tag}") + &entry("b/+") + &entry("a/{sensor}") + &entry("c/{tag}");
    let told: Vec<(Option<usize>, Option<String>)> =
        complaints(&text).into_iter().map(|complaint| (complaint.line, complaint.key)).collect();
    assert_eq!(told, [(Some(3), Some("topics[1]".to_owned())), (Some(5), Some("topics[2]".to_owned()))]);
}

#[test]
fn a_value_that_could_be_a_secret_is_not_shown() {
    let bridge = "[[listeners]]\ntype = \"bridge\"\nbroker = \"mqtt://user:hunter2@h\"\npassword = [\"hunter2\"]";
    let told = told(bridge);
    assert!(told.contains("listeners[0]") && !told.contains("hunter"), "{told}");
}

#[test]
fn a_dump_of_the_configuration_holds_no_secret() {
    let bridge = |name: &str, password: &str| {
        format!(
            "[[listeners]]\nname = \"{name}\"\ntype = \"bridge\"\nbroker = \"mqtt://localhost\"\ntopics = [\"#\"]\n\
             username = \"plant\"\npassword = \"{password}\"\n"
        )
    };
    let text =
        bridge("written", "hunter2") + &bridge("named", "${BROKER_PASSWORD}") + "[http]\nlisten = \"127.0.0.1:0\"";
    let environment = Environment::from_pairs([
        ("BROKER_PASSWORD", "hunter3"),
        ("GENIMS_HR_DB_URL", "postgresql://hr:hunter4@localhost/genims_hr_db"),
        ("PGPASSWORD", "hunter5"),
    ]);
    let settings = Settings::parse(&text, Path::new("plant.toml"), &environment).expect("a good file");
    let dumps = [format!("{settings:?}"), format!("{settings:#?}"), format!("{environment:?}")];
    assert!(dumps[0].contains("plant.toml") && dumps[0].contains("\"named\"") && dumps[2].contains("PGPASSWORD"));
    assert!(!dumps.concat().contains("hunter"), "{dumps:#?}");
}

#[test]
fn two_listeners_at_one_address_are_refused() {
    let listener = |kind: &str, listen: &str| format!("[[listeners]]\ntype = \"{kind}\"\nlisten = \"{listen}\"\n");
    for (one, other) in [
        ("127.0.0.1:7000", "127.0.0.1:7000"),
        ("0.0.0.0:7000", "127.0.0.1:7000"),
        ("localhost:7000", "127.0.0.1:7000"),
        ("[::]:7000", "127.0.0.1:7000"),
    ] {
        let told = told(&(listener("mqtt", one) + &listener("tcp", other)));
        assert!(told.contains("plant.toml:6:") && told.contains("listener mqtt-0 has"), "{told}");
    }
    for (one, other) in
        [("127.0.0.1:7000", "127.0.0.1:7001"), ("127.0.0.1:0", "127.0.0.1:0"), ("127.0.0.1:7", "[::1]:7")]
    {
        parse(&(listener("mqtt", one) + &listener("tcp", other))).expect("two addresses");
    }
    assert!(told(&listener("line", "127.0.0.1:9400")).contains("http has"), "the HTTP side has its port, too");
}

#[test]
fn outside_this_machine_nothing_listens_in_clear_unless_the_file_says_so() {
    let tls = "[listeners.tls]\ncert_file = \"c\"\nkey_file = \"k\"\n";
    for kind in ["mqtt", "tcp", "line"] {
        let listener =
            |listen: &str, more: &str| format!("[[listeners]]\ntype = \"{kind}\"\nlisten = \"{listen}\"\n{more}");
        for open in ["0.0.0.0:7000", "192.0.2.7:7000", "[::]:7000", "[::ffff:192.0.2.7]:7000"] {
            let told = told(&listener(open, ""));
            assert!(told.contains("plant.toml:3: listeners[0].listen") && told.contains("plaintext = true"), "{told}");
            let settings = parse(&listener(open, "plaintext = true")).expect("it says so");
            assert!(settings.listeners[0].kind.is_exposed());
            parse(&listener(open, tls)).expect("it is not in clear");
        }
        let settings = parse(&listener("127.0.0.1:7000", "")).expect("nobody reads along");
        assert!(!settings.listeners[0].kind.is_exposed());
        let wrong = |more: &str| told(&listener("0.0.0.0:7000", more));
        assert!(wrong("[listeners.tls]\nkey_file = \"k\"").contains("listeners[0].tls.cert_file"));
        assert!(wrong("[listeners.tls]\ncert_file = \"k\"").contains("listeners[0].tls.key_file"));
        assert!(wrong(&format!("{tls}crl_file = \"r\"")).contains("client_ca_file"));
        let told = wrong(&format!("{tls}client_certificate = \"maybe\""));
        assert!(told.contains("plant.toml:7: listeners[0].tls.client_certificate"), "{told}");
        let told = wrong(&format!("{tls}cert = \"c\""));
        assert!(told.contains("listeners[0].tls.cert") && told.contains("did you mean cert_file?"), "{told}");
    }
}

#[test]
fn what_is_left_out_is_what_the_file_shows_and_listens_to_this_machine_alone() {
    let shown = Settings::parse(DEFAULT, Path::new("t"), &Environment::default()).expect("the file itself");
    let bare =
        "[[listeners]]\ntype = \"mqtt\"\n[[listeners]]\ntype = \"tcp\"\n[[listeners]]\ntype = \"line\"\n[routes]";
    let bare = Settings::parse(bare, Path::new("t"), &Environment::default()).expect("defaults alone");
    assert_eq!(bare.http.listen, shown.http.listen);
    assert_eq!((&bare.data_dir, &bare.spool), (&shown.data_dir, &shown.spool));
    assert_eq!(format!("{:?}", bare.pipeline), format!("{:?}", shown.pipeline));
    assert_eq!(bare.dead_letters, shown.dead_letters);
    // Without the section nothing is routed; what it leaves out is what the file shows.
    assert!(bare.routes.is_some());
    assert_eq!(bare.routes, shown.routes);
    for (bare, shown) in bare.listeners.iter().zip(&shown.listeners) {
        assert_eq!(bare.kind.listen(), shown.kind.listen(), "{}", shown.name);
        assert!(bare.kind.listen().is_some_and(|address| address.ip().is_loopback()));
    }
}

/// The keys that a type takes, as it says itself when it meets one that it does not.
fn keys_of<T: DeserializeOwned>() -> Vec<String> {
    let strange = Table::from_iter([("no such key".to_owned(), Value::Boolean(true))]);
    let Err(error) = Value::Table(strange).try_into::<T>() else { panic!("it takes any key") };
    error.message().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_reference_has_the_keys_that_are_read_and_no_others() {
    let (listener, sink) = (["type", "name"].as_slice(), ["type"].as_slice());
    for (section, taken_apart, read) in [
        (options::HTTP, [].as_slice(), keys_of::<HttpOptions>()),
        (options::HTTP_TLS, &[], keys_of::<HttpTls>()),
        (options::MQTT, listener, keys_of::<MqttOptions>()),
        (options::TCP, listener, keys_of::<TcpOptions>()),
        (options::LINE, listener, keys_of::<LineOptions>()),
        (options::BRIDGE, listener, keys_of::<BridgeOptions>()),
        (options::TLS, &[], keys_of::<TlsOptions>()),
        (options::CLIENTS, &[], keys_of::<ClientOptions>()),
        (options::TOPICS, &[], keys_of::<TopicTemplate>()),
        (options::PIPELINE, &[], keys_of::<PipelineOptions>()),
        (options::SPOOL, &[], keys_of::<SpoolOptions>()),
        (options::POSTGRES, sink, keys_of::<BatchLimits>()),
        (options::MONGODB, sink, keys_of::<BatchLimits>()),
        (options::ROUTES, &[], keys_of::<RouteOptions>()),
        (options::ROWS, &[], keys_of::<RowOptions>()),
        (options::DEAD_LETTERS, &[], keys_of::<DeadLetterOptions>()),
        (options::BACKUPS, &[], keys_of::<BackupOptions>()),
    ] {
        let told: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
        let read: Vec<&str> = taken_apart.iter().copied().chain(read.iter().map(String::as_str)).collect();
        assert_eq!(told, read, "{section:?}");
    }
    let mut sections: Vec<&str> = options::TOP.keys.iter().map(|key| key.name).collect();
    let at_the_top = options::ALL[1..].iter().filter(|section| !section.title.contains('.'));
    sections.extend(at_the_top.map(|section| section.title));
    sections.dedup();
    assert_eq!(sections, SECTIONS);
}

/// A file whose one table says one thing.
fn saying(section: &Section, key: &str, value: &str) -> String {
    match (section.title, section.kind) {
        ("listeners" | "sinks", Some(kind)) => format!("[[{}]]\ntype = \"{kind}\"\n{key} = {value}", section.title),
        ("listeners.tls", _) => format!(
            "[[listeners]]\ntype = \"mqtt\"\n[listeners.tls]\ncert_file = \"c\"\nkey_file = \"k\"\n{key} = {value}"
        ),
        ("http.tls", _) => format!("[http.tls]\ncert_file = \"c\"\nkey_file = \"k\"\n{key} = {value}"),
        (title, _) => format!("[{title}]\n{key} = {value}"),
    }
}

#[test]
fn both_ends_of_every_range_are_taken_and_what_is_beyond_is_refused() {
    let text = |duration: Duration| format!("\"{}ms\"", duration.as_millis());
    let mut seen = 0;
    for section in &options::ALL {
        for key in section.keys {
            let (taken, refused) = match key.allowed {
                options::Allowed::Number(least, most) => (
                    vec![least.to_string(), most.to_string()],
                    vec![(i128::from(least) - 1).to_string(), (most + 1).to_string()],
                ),
                options::Allowed::AtLeast(least) => {
                    (vec![least.to_string()], vec![(i128::from(least) - 1).to_string()])
                }
                options::Allowed::Time(least, most) => {
                    let below = least.checked_sub(Duration::from_millis(1)).map(text);
                    (
                        vec![text(least), text(most)],
                        below.into_iter().chain([text(most + Duration::from_millis(1))]).collect(),
                    )
                }
                options::Allowed::Words(words) => {
                    (words.iter().map(|word| format!("\"{word}\"")).collect(), vec!["\"other\"".to_owned()])
                }
                options::Allowed::Switch => (vec!["true".to_owned(), "false".to_owned()], vec!["1".to_owned()]),
                options::Allowed::Text(_) => continue,
            };
            // What two keys say together is another matter, and waiting for commits needs a sink.
            let environment = Environment::default();
            let read =
                |value: &String| Settings::parse(&saying(section, key.name, value), Path::new("t"), &environment);
            for value in taken {
                let together = ["not be less than", "not be more than", "add [[sinks]]"];
                match read(&value) {
                    Err(error) => assert!(together.iter().any(|it| error.to_string().contains(it)), "{error}"),
                    Ok(_) => seen += 1,
                }
            }
            for value in refused {
                let error = read(&value).expect_err(&value).to_string();
                assert!(error.contains(key.name), "{error}");
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn the_page_of_options_is_what_the_code_says() {
    let shipped = include_str!("../../../config/options.md");
    let page = reference::markdown();
    assert_eq!(page, shipped, "write it anew: genims options > config/options.md");
    for entry in reference::reference() {
        assert!(entry.default.is_some() || !matches!(entry.kind, "number" | "duration" | "true or false"), "{entry:?}");
    }
    assert!(!page.contains("| secret"), "{page}");
    let kept = PAYLOAD_KEPT_BYTES_MAX / (1 << 20);
    let said = [format!("their first {kept} MiB kept"), format!("its first {kept} MiB kept")];
    assert!(said.iter().all(|said| page.contains(said)), "{said:?}");
    let readme = include_str!("../../../README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains(&format!("Of a payload over {kept} MiB the first {kept} MiB is kept")));
}

#[test]
fn the_last_of_equal_times_is_kept_only_where_no_mirror_would_keep_all() {
    let last = "[pipeline]\nsame_timestamp = \"last\"\n[[sinks]]\ntype = \"postgres\"";
    parse(last).expect("PostgreSQL alone replaces");
    assert!(parse(&format!("{last}\n[[sinks]]\ntype = \"mongodb\"")).is_err());
}
