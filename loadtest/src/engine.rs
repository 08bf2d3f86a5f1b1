//! Runs connections to their end and turns what they did, and what the databases hold, into a report. Shared by `run` and
//! `replay`.

use crate::clock::{Clock, seconds_between};
use crate::load::connection::{Connection, Limits};
use crate::load::feed::Feed;
use crate::load::session::Session;
use crate::load::socket::Peer;
use crate::load::stats::{Stats, latencies};
use crate::load::tally::Tallies;
use crate::progress::Progress;
use crate::report::{Percentiles, Report, StreamReport};
use crate::verdict::wait::{Patience, Settled, Store};
use crate::verdict::{Holdings, Span, VerdictError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Connections under way.
pub struct Engine {
    pub clock: Clock,
    label: String,
    streams: Vec<(String, Arc<Stats>)>,
    tasks: JoinSet<(Tallies, usize)>,
}

/// Everything the connections did.
pub struct Traffic {
    pub tallies: Tallies,
    pub unacked_messages: u64,
    pub streams: Vec<(String, Arc<Stats>)>,
    /// Streams without acknowledgements, by name.
    pub fire_and_forget: Vec<String>,
}

impl Engine {
    pub fn new(label: &str, clock: Clock) -> Self {
        Self { clock, label: label.to_owned(), streams: Vec::new(), tasks: JoinSet::new() }
    }

    /// A new stream's counters.
    pub fn stream(&mut self, name: &str) -> Arc<Stats> {
        let stats = Arc::new(Stats::default());
        self.streams.push((name.to_owned(), stats.clone()));
        stats
    }

    pub fn connect<F: Feed>(&mut self, peer: &Peer, session: Session, feed: F, stats: &Arc<Stats>, limits: Limits) {
        let connection = Connection::new(peer.clone(), session, feed, stats.clone(), self.clock, limits);
        self.tasks.spawn(async move {
            let (feed, unacked) = connection.run().await;
            (feed.into_tallies(), unacked)
        });
    }

    /// Until every connection has ended.
    pub async fn drive(mut self, fire_and_forget: Vec<String>) -> Traffic {
        let mut progress = Progress::new(&self.label);
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        let mut tallies = Tallies::default();
        let mut unacked_messages = 0;
        let mut last = (self.clock.now_us(), 0);
        let mut rate = 0.0;
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    Some(Ok((made, unacked))) => {
                        tallies.merge(made);
                        unacked_messages += unacked as u64;
                    }
                    // Its messages are unaccounted for, so the run cannot pass.
                    Some(Err(error)) => {
                        eprintln!("a connection failed: {error}");
                        unacked_messages += 1;
                    }
                    None => break,
                },
                _ = tick.tick() => {
                    let sum = |pick: fn(&Stats) -> u64| self.streams.iter().map(|(_, s)| pick(s)).sum::<u64>();
                    let (sent, acked) = (sum(|s| Stats::get(&s.sent)), sum(|s| Stats::get(&s.acked)));
                    let now_us = self.clock.now_us();
                    if now_us - last.0 > 1_000_000 {
                        rate = (acked - last.1) as f64 / seconds_between(last.0, now_us);
                        last = (now_us, acked);
                    }
                    let errors = sum(|s| Stats::get(&s.connection_errors));
                    let breaks = if errors > 0 { format!("  breaks {errors}") } else { String::new() };
                    progress.show(&format!("sent {sent}  acked {acked}  {rate:.0}/s{breaks}"));
                }
            }
        }
        Traffic { tallies, unacked_messages, streams: self.streams, fire_and_forget }
    }
}

impl Traffic {
    fn sum(&self, pick: fn(&Stats) -> u64) -> u64 {
        self.streams.iter().map(|(_, stats)| pick(stats)).sum()
    }

    pub fn first_send_us(&self) -> Option<i64> {
        self.streams.iter().filter_map(|(_, stats)| stats.first_send_us()).min()
    }

    fn last_ack_us(&self) -> Option<i64> {
        self.streams.iter().filter_map(|(_, stats)| stats.last_ack_us()).max()
    }

    /// What the harness itself knows.
    pub fn report(&self, name: &str) -> Report {
        let mut ack_latency_us = latencies();
        let mut streams = Vec::new();
        for (name, stats) in &self.streams {
            let own = stats.ack_latency_us();
            // Probes are judged and counted, but their latency would flatter a busy stream.
            if name != "probes" {
                // The bounds are the same, so adding cannot fail.
                let _ = ack_latency_us.add(&own);
            }
            streams.push(StreamReport {
                name: name.clone(),
                sent: Stats::get(&stats.sent),
                acked: Stats::get(&stats.acked),
                snapshots_sent: Stats::get(&stats.snapshots_sent),
                messages_sent: Stats::get(&stats.messages_sent),
                bytes_sent: Stats::get(&stats.bytes_sent),
                resent: Stats::get(&stats.resent),
                duplicates_forced: Stats::get(&stats.duplicates_forced),
                garbage_sent: Stats::get(&stats.garbage_sent),
                connects: Stats::get(&stats.connects),
                connection_errors: Stats::get(&stats.connection_errors),
                last_error: stats.last_error(),
                ack_latency_ms: Percentiles::of(&own),
            });
        }
        let fire_and_forget = streams.iter().filter(|s| self.fire_and_forget.contains(&s.name)).map(|s| s.acked).sum();
        let first_us = self.first_send_us().unwrap_or(0);
        let send_seconds = seconds_between(first_us, self.last_ack_us().unwrap_or(first_us));
        let per_second = |count: u64| if send_seconds > 0.0 { count as f64 / send_seconds } else { 0.0 };
        let acked = self.sum(|s| Stats::get(&s.acked));
        Report {
            plan: name.to_owned(),
            verdict: "unjudged",
            sent: self.sum(|s| Stats::get(&s.sent)),
            acked,
            fire_and_forget,
            unacked_messages: self.unacked_messages,
            dead_letters_expected: self.sum(|s| Stats::get(&s.garbage_sent)),
            duplicates_forced: self.sum(|s| Stats::get(&s.duplicates_forced)),
            resent: self.sum(|s| Stats::get(&s.resent)),
            snapshots_sent: self.sum(|s| Stats::get(&s.snapshots_sent)),
            seconds: send_seconds,
            readings_per_s: per_second(acked),
            send_seconds,
            acked_per_s: per_second(acked),
            messages_per_s: per_second(self.sum(|s| Stats::get(&s.messages_acked))),
            behind: self.tallies.behind,
            ack_latency_ms: Percentiles::of(&ack_latency_us),
            streams,
            ..Report::default()
        }
    }

    /// Asks the databases, and enters what they say.
    pub async fn judge(
        &self,
        report: &mut Report,
        stores: (Option<&Store>, Option<&Store>),
        before: (Holdings, Holdings),
        patience: Patience,
        clock: Clock,
    ) -> Result<(), VerdictError> {
        let Some((from_us, to_us)) = self.tallies.range_us else { return Ok(()) };
        let mirrored = self.tallies.mirrored.as_deref().unwrap_or(&self.tallies);
        // Readings that the server stamps itself may be stamped a little after the last of ours.
        let slack_us = if self.tallies.untimed.is_empty() { 0 } else { clock.now_us() - to_us };
        let span = |from_us| Span { from_us, to_us: to_us + slack_us.max(0) };
        let spans = (span(from_us), span(mirrored.range_us.map_or(to_us, |(from_us, _)| from_us)));
        let fences = async |store: Option<&Store>, sent: &Tallies| match store {
            Some(store) => store.await_fences(sent, patience, clock).await,
            None => Ok(None),
        };
        let (postgres_us, mongodb_us) = tokio::try_join!(fences(stores.0, &self.tallies), fences(stores.1, mirrored))?;
        let settle =
            async |store: Option<&Store>, (sent, span): (&Tallies, Span), before: &Holdings, fenced_us| match store {
                Some(store) => store.settle(sent, span, before, fenced_us, patience, clock).await.map(Some),
                None => Ok(None),
            };
        let (postgres, mongodb) = tokio::try_join!(
            settle(stores.0, (&self.tallies, spans.0), &before.0, postgres_us),
            settle(stores.1, (mirrored, spans.1), &before.1, mongodb_us)
        )?;
        enter(report, postgres, mongodb, self.first_send_us().unwrap_or(from_us), clock.now_us());
        Ok(())
    }
}

fn enter(report: &mut Report, postgres: Option<Settled>, mongodb: Option<Settled>, first_send_us: i64, judged_us: i64) {
    let asked: Vec<&Settled> = [&postgres, &mongodb].into_iter().flatten().collect();
    if !asked.is_empty() {
        // What never became complete counts with what is there, over all the time that was waited for it.
        let complete: Option<Vec<i64>> = asked.iter().map(|settled| settled.complete_us).collect();
        let last_us = complete.and_then(|moments| moments.into_iter().max()).unwrap_or(judged_us);
        let committed = asked.iter().map(|settled| settled.findings.readings - settled.findings.duplicates).min();
        report.seconds = seconds_between(first_send_us, last_us).max(report.send_seconds);
        report.readings_per_s = committed.unwrap_or(0) as f64 / report.seconds.max(1e-6);
    }
    if let Some(Settled { findings, still_arriving, .. }) = postgres {
        report.committed_postgres = Some(findings.readings);
        report.duplicates_postgres = Some(findings.duplicates);
        report.missing_postgres = Some(findings.missing);
        report.still_arriving_postgres = still_arriving;
        report.snapshots_postgres = Some(findings.snapshots);
        report.postgres = Some(findings);
    }
    if let Some(Settled { findings, still_arriving, .. }) = mongodb {
        report.committed_mongodb = Some(findings.readings);
        report.duplicates_mongodb = Some(findings.duplicates);
        report.missing_mongodb = Some(findings.missing);
        report.still_arriving_mongodb = still_arriving;
        report.snapshots_mongodb = Some(findings.snapshots);
        report.mongodb = Some(findings);
    }
    report.missing = report.missing_postgres.max(report.missing_mongodb).unwrap_or(0);
    report.duplicates = report.duplicates_postgres.max(report.duplicates_mongodb).unwrap_or(0);
}

/// The last word: everything that speaks against the run, and the verdict.
pub fn conclude(report: &mut Report) {
    let mut problems = Vec::new();
    for (name, findings, still_arriving) in [
        ("PostgreSQL", &report.postgres, report.still_arriving_postgres),
        ("MongoDB", &report.mongodb, report.still_arriving_mongodb),
    ] {
        let Some(findings) = findings else { continue };
        if findings.is_clean() {
            continue;
        }
        problems.push(format!(
            "{name}: {} missing{}, {} duplicates, {} sensors altered, {} unexpected, snapshots {} missing {} surplus{}",
            findings.missing,
            if still_arriving {
                " (rows were still arriving when the wait ended: give a longer --drain-seconds)"
            } else {
                ""
            },
            findings.duplicates,
            findings.altered_sensors,
            findings.unexpected,
            findings.snapshots_missing,
            findings.snapshots_surplus,
            if findings.examples.is_empty() {
                String::new()
            } else {
                format!("; e.g. {}", findings.examples.join("; "))
            }
        ));
    }
    if report.unacked_messages > 0 {
        problems.push(format!("{} messages were never acknowledged", report.unacked_messages));
    }
    if report.sent == 0 && report.snapshots_sent == 0 {
        let why = report.streams.iter().find_map(|stream| stream.last_error.clone());
        problems.push(format!("nothing was sent: {}", why.unwrap_or_else(|| "the plan made no message".to_owned())));
    }
    for stream in &report.streams {
        if stream.sent == 0 && stream.snapshots_sent == 0 && report.sent > 0 {
            let why = stream.last_error.as_deref().unwrap_or("no connection was welcomed in time");
            problems.push(format!("stream {} sent nothing: {why}", stream.name));
        }
    }
    if let Some(dead_letters) = report.dead_lettered
        && dead_letters != report.dead_letters_expected
    {
        let reasons: Vec<String> =
            report.dead_letter_reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        problems.push(format!(
            "{dead_letters} dead letters instead of {} ({}): see `genims deadletter list`",
            report.dead_letters_expected,
            reasons.join(", ")
        ));
    }
    let in_clear = report.in_clear.iter().flat_map(|run| &run.problems);
    problems.extend(in_clear.map(|problem| format!("in clear: {problem}")));
    problems.extend(report.replay.as_ref().and_then(|replay| replay.problem()));
    let judged = report.postgres.is_some() || report.mongodb.is_some();
    report.verdict = match (problems.is_empty(), judged) {
        (false, _) => "failed",
        (true, true) => "ok",
        (true, false) => "unjudged",
    };
    report.problems = problems;
}
