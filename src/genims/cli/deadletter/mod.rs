//! `genims deadletter list | show | replay | purge`: what was set aside, its way back in, and its end.

mod purge;
mod replay;

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use genims::replay::REPLAY_TOPIC;
use genims::settings::Settings;
use genims_databases::PostgresClient as Client;
use genims_databases::{Environment, PostgresSettings, Registry};
use genims_model::{Reason, counted, noun};
use genims_platform::dead_letters::{self, DeadLetterFilter, ReasonCount, StoredDeadLetter};
use genims_terminal::say;
use std::borrow::Cow;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct DeadletterArgs {
    #[command(subcommand)]
    command: DeadletterCommand,
}

#[derive(Debug, Subcommand)]
enum DeadletterCommand {
    /// Newest first, with counts by reason
    List {
        /// Only this reason, for example unknown_sensor
        #[arg(long, value_parser = reasons())]
        reason: Option<String>,
        /// Also those that were replayed
        #[arg(long)]
        all: bool,
        #[arg(long, default_value_t = 20)]
        limit: i64,
        #[arg(long)]
        json: bool,
    },
    /// One dead letter with its payload
    Show {
        letter_id: i64,
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters through the running server again; exit code 1 unless all of them are stored now
    Replay(replay::ReplayArgs),
    /// Delete dead letters for good; they stay counted, so that `genims verify` still adds up
    Purge(purge::PurgeArgs),
}

pub(crate) async fn run(
    args: DeadletterArgs,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let postgres = PostgresSettings::from_environment(registry.get("genims_operations_db")?, environment)?;
    let client = postgres.connect().await?;
    match args.command {
        DeadletterCommand::List { reason, all, limit, json } => {
            let filter = DeadLetterFilter { reason, include_replayed: all, limit, ..DeadLetterFilter::default() };
            list(&client, &filter, json).await
        }
        DeadletterCommand::Show { letter_id, json } => show(&client, letter_id, json).await,
        DeadletterCommand::Replay(args) => replay::run(&client, args, settings, environment).await,
        DeadletterCommand::Purge(args) => purge::run(&client, args).await,
    }
}

/// The reasons there are.
fn reasons() -> PossibleValuesParser {
    PossibleValuesParser::new(Reason::ALL.map(Reason::code))
}

/// What a stranger sent, fit for a terminal: control characters as escapes.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// Of a payload that is longer, a list shows so many characters.
const LISTED_CHARACTERS_MAX: usize = 60;

/// The beginning of a payload, in one line.
fn beginning(dead_letter: &StoredDeadLetter) -> String {
    let text = payload_shown(dead_letter);
    let mut start: String = text.chars().take(LISTED_CHARACTERS_MAX).collect();
    if start.len() < text.len() || (dead_letter.payload.len() as i64) < dead_letter.payload_bytes {
        start += "...";
    }
    start
}

/// The payload, as text where it is text.
fn payload_shown(dead_letter: &StoredDeadLetter) -> Cow<'_, str> {
    match dead_letter.payload_text() {
        Some(text) => shown(text),
        None => Cow::Owned(dead_letter.payload.escape_ascii().to_string()),
    }
}

async fn list(client: &Client, filter: &DeadLetterFilter, json: bool) -> anyhow::Result<ExitCode> {
    let counts = dead_letters::count_by_reason(client).await?;
    let dead_letters = dead_letters::list(client, filter).await?;
    if json {
        say!("{:#}", serde_json::json!({ "reasons": counts, "letters": dead_letters }));
        return Ok(ExitCode::SUCCESS);
    }
    for count in &counts {
        let ReasonCount { reason, waiting, replayed, records, returned, purged } = count;
        let of = format!("{records:>8} {:<7}", noun(*records, "record"));
        say!(
            "{reason:<22} {waiting:>8} waiting {replayed:>8} replayed {of} {returned:>8} came back {purged:>8} purged"
        );
    }
    for dead_letter in &dead_letters {
        say!(
            "{:>8}  {}  {:>6}x  {:<20} {:<10} {}  {}  {}",
            dead_letter.letter_id,
            dead_letter.last_received_at.format("%Y-%m-%d %H:%M:%S"),
            dead_letter.dead_letters,
            dead_letter.reason,
            dead_letter.source,
            if dead_letter.topic.is_empty() { Cow::Borrowed("-") } else { shown(&dead_letter.topic) },
            shown(&dead_letter.detail),
            beginning(dead_letter)
        );
    }
    if counts.is_empty() {
        say!("Nothing was set aside.");
    }
    Ok(ExitCode::SUCCESS)
}

/// The topic, or why there is none and what a replay does then.
fn topic(dead_letter: &StoredDeadLetter) -> Cow<'_, str> {
    match &*dead_letter.topic {
        "" if dead_letter.holds_row() => {
            "not in the log, from which the database got the row: a replay puts the row back itself".into()
        }
        "" if dead_letter.was_refused() => {
            "not in the log, from which the database got it; there is no row to put back".into()
        }
        "" => format!("none, as frames and lines have none: a replay sends it to {}", REPLAY_TOPIC).into(),
        topic => shown(topic),
    }
}

/// What the reason has for a remedy, where the detail does not say a nearer one already, as our own details do behind `; `.
fn remedy(reason: &str, detail: &str) -> Option<&'static str> {
    let reason = Reason::ALL.into_iter().find(|known| known.code() == reason)?;
    // What the device wrote stands between backticks, and a database writes as it likes.
    let mut ours = detail.split('`').step_by(2);
    let is_said = detail.contains(reason.remedy()) || ours.any(|part| part.contains("; "));
    (reason == Reason::RefusedByDatabase || !is_said).then(|| reason.remedy())
}

async fn show(client: &Client, letter_id: i64, json: bool) -> anyhow::Result<ExitCode> {
    let dead_letters = dead_letters::fetch(client, &[letter_id]).await?;
    let Some(dead_letter) = dead_letters.first() else {
        bail!("there is no dead letter {letter_id}; see genims deadletter list")
    };
    if json {
        say!("{:#}", serde_json::to_value(dead_letter)?);
        return Ok(ExitCode::SUCCESS);
    }
    let StoredDeadLetter { source, client, received_at, last_received_at, dead_letters, records, .. } = dead_letter;
    say!("id        {letter_id}");
    say!(
        "received  {received_at} through {source}{}",
        if client.is_empty() { "" } else { " from " }.to_owned() + &shown(client)
    );
    if *dead_letters > 1 {
        say!("came      {dead_letters} times, last at {last_received_at}");
    }
    if *records > 1 {
        say!("records   {records}");
    }
    say!("topic     {}", topic(dead_letter));
    say!(
        "reason    {}{}",
        dead_letter.reason,
        dead_letter.sqlstate.as_ref().map(|s| format!(" (SQLSTATE {s})")).unwrap_or_default()
    );
    say!("detail    {}", shown(&dead_letter.detail));
    if let Some(remedy) = remedy(&dead_letter.reason, &dead_letter.detail) {
        say!("remedy    {remedy}");
    }
    if let Some(at) = dead_letter.replayed_at {
        say!("replayed  {at}");
    }
    if dead_letter.is_sample {
        say!("payload   of the first of them; the others were different ones of the same cause, and only counted");
    }
    let payload = match dead_letter.payload_text() {
        Some(text) => text.split('\n').map(shown).collect::<Vec<_>>().join("\n"),
        None => dead_letter.payload.escape_ascii().to_string(),
    };
    let kept = match dead_letter.is_complete() {
        true => String::new(),
        false => format!(
            ", CUT: the first {} were kept; a replay leaves it, its sender has it whole",
            dead_letter.kept_bytes
        ),
    };
    say!("payload   {}{kept}\n{payload}", counted(dead_letter.payload_bytes, "byte"));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::{Reason, remedy, shown};

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(shown("a/b°"), "a/b°");
        assert_eq!(shown("\u{1b}[2Ja\0\u{9b}"), "\\u{1b}[2Ja\\u{0}\\u{9b}");
    }

    #[test]
    fn a_detail_that_says_what_to_do_is_followed_by_no_other_remedy() {
        for (reason, detail) in [
            (Reason::UnknownSensor, "sensor S1 is not active; set its status in genims_master_db.sensors, then replay"),
            (Reason::NotANumber, "the value is no number: `12 mm`; write the number alone, without a unit"),
            (
                Reason::TooOld,
                "the time 2020-01-01 is 6 years old, and at most 1 year is kept; load it into the archive",
            ),
            (Reason::UnknownTopic, "the topic fits no layout; publish below genims/v1/ or add a [[topics]] template"),
        ] {
            assert_eq!(remedy(reason.code(), detail), None, "{detail}");
        }
        let whole = format!("machine M is not in the catalogue; {}", Reason::UnknownMachine.remedy());
        assert_eq!(remedy("unknown_machine", &whole), None);
        for (reason, detail) in [
            (Reason::MalformedPayload, "a key stands twice: `{\"a; b\": 1}`"),
            (Reason::OutOfRange, "the value has more than 11 digits before the point"),
            (Reason::RefusedByDatabase, "violates the check \"a\"; see the manual"),
        ] {
            assert_eq!(remedy(reason.code(), detail), Some(reason.remedy()), "{detail}");
        }
        assert_eq!(remedy("of a later release", "whatever"), None);
    }
}
