//! Clients that are held to a rate: their dialogue without a socket, under a clock that stands still until the test moves it.

use super::*;
use crate::locks::clients::file::{ClientEntry, change};
use crate::locks::{AnonymousPolicy, ClientOptions, Clients, Credentials, Locks};
use crate::mqtt::Shared;
use crate::mqtt::dialogue::{Dialogue, Limit};
use crate::mqtt::input::{Buffers, Input};
use crate::mqtt::packet::Version;
use crate::mqtt::registry::Registry;
use crate::mqtt::session::Session;
use crate::notices::{Notices, Peer};
use crate::talkers::TalkerTotals;
use genims_locks::certificate::Certificate;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use tempfile::TempDir;
use tokio::time::{Instant, advance};

/// Numbers between commas, each a reading; none in an empty payload.
struct Numbers;

impl Decode for Numbers {
    fn message(&self, topic: &str, payload: &[u8], into: &mut IntakeBuffer) {
        payload.split(|byte| *byte == b',').for_each(|number| BareNumbers.message(topic, number, into));
    }
}

struct Limited {
    shared: Arc<Shared>,
    plant: Plant,
    locks: Locks,
    path: PathBuf,
    _folder: TempDir,
}

/// A client that comes by a certificate.
fn entry(name: &str, readings_per_second_max: Option<u64>) -> ClientEntry {
    ClientEntry { readings_per_second_max, ..ClientEntry::new(name, None).unwrap() }
}

impl Limited {
    fn new(entries: Vec<ClientEntry>, options: &ClientOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.toml");
        change(&path, |all| {
            all.extend(entries);
            Ok(())
        })
        .unwrap();
        let clients = Clients::open(&path, options).unwrap();
        let policy = AnonymousPolicy::default();
        let gate = ListenerGate::open("trial", true, None, Some(clients.clone()), policy, Arc::default()).unwrap();
        let (plant, options) = (Plant::new(1_000_000), MqttOptions::default());
        let shared = Shared {
            registry: Registry::new(options.sessions_max),
            options,
            source: 0,
            intake: plant.intake.clone(),
            decode: Arc::new(Numbers),
            metrics: gate.metrics(),
            gate: gate.clone(),
            statistics: Arc::new(|| 0),
            started: std::time::Instant::now(),
            buffers: Buffers::default(),
            notices: Notices::default(),
        };
        let locks = Locks { gates: vec![gate], clients: Some(clients) };
        Self { shared: shared.into(), plant, locks, path, _folder: folder }
    }

    async fn connect(&self, name: &str, client_id: &str) -> Client {
        let certificate =
            Certificate { chain: Vec::new(), identity: name.into(), serial: Box::default(), not_after: i64::MAX };
        let gate = &self.locks.gates[0];
        let mut pass = gate.enter(Some(certificate.into()), Peer::default(), &CancellationToken::new());
        pass.log_in(Credentials::default(), true, Instant::now() + PATIENCE).await.unwrap();
        pass.take_place(client_id).unwrap();
        let mut dialogue = Dialogue::new(self.shared.clone(), Version::V3, 1 << 20, Duration::ZERO, Session::default());
        dialogue.pass = Some(pass);
        Client { dialogue, input: Input::default(), packet_id: 0 }
    }

    fn received(&self) -> u64 {
        self.plant.account().received
    }

    fn waits(&self) -> u64 {
        self.shared.metrics.rate_limited_total.load(Ordering::Relaxed)
    }
}

struct Client {
    dialogue: Dialogue,
    input: Input,
    packet_id: u16,
}

impl Client {
    /// Sends messages with QoS 0 or 1.
    fn sends(&mut self, messages: usize, qos: u8, payload: &str) {
        for _ in 0..messages {
            self.packet_id += 1;
            self.input.put(&publish(4, qos << 1, "t/S0", self.packet_id, payload));
        }
    }

    /// All that can be taken now is taken, and durable. Whether something waits.
    fn turn(&mut self) -> bool {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let held = self.dialogue.turn(&mut self.input, Limit::Kept).unwrap();
            if self.dialogue.is_settled() {
                return held;
            }
            assert!(std::time::Instant::now() < deadline, "not settled");
            // The shards have threads of their own, for which no clock stands still.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What it is answered: PUBACKs, PINGRESPs.
    fn answers(&mut self) -> (usize, usize) {
        let output = std::mem::take(&mut self.dialogue.output);
        let (mut acks, mut pongs, mut rest) = (0, 0, &output[..]);
        while let Some(first) = rest.first() {
            let length = if *first == PINGRESP[0] { 2 } else { 4 };
            if length == 2 {
                pongs += 1
            } else {
                acks += 1
            }
            rest = &rest[length..];
        }
        (acks, pongs)
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn a_second_s_worth_is_taken_at_once_and_the_rest_as_time_goes_by() {
    let limited = Limited::new(vec![entry("a", Some(100))], &ClientOptions::default());
    let mut client = limited.connect("a", "one").await;
    client.sends(250, 1, "1");
    client.input.put(&PINGREQ);
    assert!(client.turn(), "the rest waits");
    assert_eq!((limited.received(), client.answers()), (100, (100, 1)), "PINGREQ is answered meanwhile");
    assert_eq!(client.dialogue.resumes_at, Some(Instant::now() + millis(10)));
    for (pause, received) in [(499, 149), (1, 150)] {
        advance(millis(pause)).await;
        assert!(client.turn());
        assert_eq!(limited.received(), received);
    }
    assert_eq!((client.answers(), limited.waits()), ((50, 0), 3), "nothing is acknowledged that was not taken");
    advance(Duration::from_secs(3_600)).await;
    assert!(!client.turn());
    assert_eq!((limited.received(), client.answers(), client.dialogue.resumes_at), (250, (100, 0), None));
    let (busiest, _) = limited.shared.metrics.talkers.busiest(10, Instant::now());
    assert_eq!((busiest.len(), busiest[0].client.as_str(), busiest[0].connections), (1, "a", 1));
    // The last of the packets is the PINGREQ.
    let bytes = 250 * publish(4, 2, "t/S0", 1, "1").len() as u64 + 2;
    assert_eq!(busiest[0].totals, TalkerTotals { received: 250, bytes, dead_letters: 0, waits: 3 });
}

#[tokio::test(start_paused = true)]
async fn what_has_no_records_costs_as_well_and_qos_0_waits_like_the_others() {
    let limited = Limited::new(vec![entry("a", Some(10))], &ClientOptions::default());
    let mut client = limited.connect("a", "one").await;
    client.sends(15, 0, "");
    client.sends(10, 0, "?");
    for (messages, received, waits) in [(10, 0, true), (20, 5, true), (25, 10, false)] {
        assert_eq!(client.turn(), waits);
        assert_eq!(limited.shared.metrics.messages_total.load(Ordering::Relaxed), messages);
        assert_eq!(limited.received(), received);
        advance(millis(1_000)).await;
    }
    assert_eq!(limited.shared.metrics.talkers.busiest(1, Instant::now()).0[0].totals.dead_letters, 10);
}

#[tokio::test(start_paused = true)]
async fn a_message_with_more_than_a_second_s_worth_is_taken_whole_and_paid_for() {
    let limited = Limited::new(vec![entry("a", Some(10))], &ClientOptions::default());
    let mut client = limited.connect("a", "one").await;
    client.sends(2, 1, &["1"; 40].join(","));
    for (pause, received, waits) in [(0, 40, true), (2_900, 40, true), (200, 80, false)] {
        advance(millis(pause)).await;
        assert_eq!((client.turn(), limited.received()), (waits, received), "{pause}");
    }
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_client_share_its_rate_and_another_flows() {
    let limited = Limited::new(vec![entry("a", Some(10)), entry("b", None)], &ClientOptions::default());
    let (mut one, mut two) = (limited.connect("a", "one").await, limited.connect("a", "two").await);
    let mut other = limited.connect("b", "other").await;
    for client in [&mut one, &mut two] {
        client.sends(7, 1, "1");
    }
    assert!(!one.turn() && two.turn());
    assert_eq!((one.answers().0, two.answers().0), (7, 3));
    other.sends(10_000, 1, "1");
    assert!(!other.turn());
    assert_eq!((other.answers().0, limited.received()), (10_000, 10_010));
}

#[tokio::test(start_paused = true)]
async fn another_limit_is_in_force_at_once_also_for_who_waits() {
    let options = ClientOptions { readings_per_second_max: 1, ..ClientOptions::default() };
    let limited = Limited::new(vec![entry("a", None), entry("b", Some(0))], &options);
    let (mut client, mut other) = (limited.connect("a", "one").await, limited.connect("b", "other").await);
    for client in [&mut client, &mut other] {
        client.sends(100, 1, "1");
    }
    assert!(client.turn() && !other.turn(), "its account says otherwise");
    assert_eq!(limited.received(), 101);
    for (limit, received, waits) in [(Some(50), 151, true), (Some(0), 200, false)] {
        change(&limited.path, |all| {
            all[0].readings_per_second_max = limit;
            Ok(())
        })
        .unwrap();
        limited.locks.look(true);
        assert_eq!((client.turn(), limited.received()), (waits, received));
    }
}
