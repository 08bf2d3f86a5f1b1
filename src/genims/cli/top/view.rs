//! Draws what `genims top` shows, on 80 columns or more. Enters: the screen and what time it is. Leaves: cells. What others wrote
//! is drawn without control characters: ratatui leaves them out.

mod talkers;

use super::screen::{SORTS, Screen};
use genims_api::snapshot::{Flow, ServerSnapshot};
use genims_api::{board, format};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState, Wrap};
use std::time::Instant;

const HEAD: u16 = 6;
const WIDTHS: [Constraint; 6] = [
    Constraint::Min(27),
    Constraint::Length(10),
    Constraint::Length(8),
    Constraint::Length(11),
    Constraint::Length(11),
    Constraint::Length(8),
];

/// Lines that show everything.
pub(super) fn lines(screen: &Screen) -> u16 {
    // Head, the names of the columns, keys.
    HEAD + 2 + u16::try_from(screen.flows().len()).unwrap_or(u16::MAX - HEAD - 2)
}

pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen, now: Instant) {
    let areas = Layout::vertical([Constraint::Length(HEAD), Constraint::Min(0), Constraint::Length(1)]);
    let [head, body, foot] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(header(screen, now)), head);
    let flows = screen.flows();
    match screen.selected(&flows) {
        _ if screen.shows_talkers => talkers::draw(frame, body, screen),
        None => {}
        Some(at) if screen.is_detailed => {
            frame.render_widget(Paragraph::new(detail(flows[at])).wrap(Wrap { trim: false }), body);
        }
        Some(at) => table(frame, body, screen, &flows, at),
    }
    let keys = if screen.shows_talkers {
        "t Esc: back to the flows  Up/Down  q quit"
    } else if screen.is_detailed {
        "Esc back  Up/Down next  t talkers  q quit"
    } else {
        "Up/Down Enter: one of them  sort: n s r p a x  t talkers  q quit"
    };
    frame.render_widget(Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn style(level: &str) -> Style {
    match level {
        "good" => Style::new().fg(Color::Green),
        "warn" => Style::new().fg(Color::Yellow),
        "bad" => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        _ => Style::new(),
    }
}

/// Six lines: the server, how new it all is, and its numbers.
fn header(screen: &Screen, now: Instant) -> Vec<Line<'_>> {
    let mut lines = vec![freshness(screen, now)];
    if let Some(snapshot) = &screen.snapshot {
        lines.extend(numbers(snapshot));
    }
    lines.truncate(usize::from(HEAD) - 1);
    lines.push(Line::default());
    lines
}

fn freshness<'a>(screen: &'a Screen, now: Instant) -> Line<'a> {
    match (&screen.snapshot, screen.old(now), &screen.away) {
        (None, _, None) => Line::from(format!("GenIMS  asking {}", screen.url)),
        (None, _, Some(cause)) => Line::styled(format!("GenIMS  AWAY  {cause}"), style("bad")),
        (Some(_), Some(age), cause) => {
            let cause = cause.as_deref().unwrap_or("no answer yet");
            let age = format::span(age.as_secs_f64().round());
            Line::styled(format!("GenIMS  AWAY  this is {age} old  {cause}"), style("bad"))
        }
        (Some(snapshot), None, _) => {
            let report = &snapshot.report;
            let (level, ready) = match &report.not_ready_because {
                None => ("good", "ready".to_owned()),
                Some(cause) => ("bad", format!("NOT READY: {cause}")),
            };
            let up = format::span(report.uptime_seconds);
            Line::from(vec![
                Span::raw(format!("GenIMS {}  {}  up {up}  ", report.version, screen.url)),
                Span::styled(ready, style(level)),
            ])
        }
    }
}

fn numbers(snapshot: &ServerSnapshot) -> Vec<Line<'_>> {
    let (report, rates) = (&snapshot.report, &snapshot.rates);
    let total = &report.total;
    let rate =
        |per_second| if rates.span_seconds > 0.0 { format::rate(per_second) } else { format::UNKNOWN.to_owned() };
    let durable = &report.spool.receive_to_durable_ms;
    let committed = report.sinks.first().map_or(0.0, |sink| sink.receive_to_committed_ms.p99);
    let until = match snapshot.fill.seconds_until_full {
        _ if report.spool.full => "FULL".to_owned(),
        Some(seconds) => format!("full in {}", format::span(seconds)),
        None => "not growing".to_owned(),
    };
    let count = format::count;
    let set_aside: Vec<String> = report
        .dead_letter_reasons
        .iter()
        .filter(|(_, records)| *records > 0)
        .map(|(reason, records)| format!("{reason} {}", count(*records)))
        .collect();
    let identity = if report.identity_holds { ("holds", "good") } else { ("BROKEN", "bad") };
    vec![
        Line::from(vec![
            Span::styled(
                format!("stored {}/s", rate(rates.stored_per_second)),
                Style::new().add_modifier(Modifier::BOLD),
            ),
            Span::raw(format!(
                "  in {}/s  durable p99 {}  committed p99 {}",
                rate(rates.received_per_second),
                format::latency(durable.p99),
                format::latency(committed)
            )),
        ]),
        Line::from(format!(
            "log {} of {} ({})  {until}  at risk {}",
            format::percent(snapshot.fill.share),
            format::bytes(report.spool.bytes_max),
            format::bytes(report.spool.bytes),
            count(report.at_risk_records)
        )),
        Line::from(vec![
            Span::raw(format!(
                "{} = {} stored + {} dup + {} aside + {} dropped + {} in flight ",
                count(total.received),
                count(total.committed),
                count(total.duplicate),
                count(total.dead_lettered),
                count(total.dropped),
                count(total.in_flight)
            )),
            Span::styled(identity.0, style(identity.1)),
        ]),
        Line::from(if set_aside.is_empty() {
            "nothing set aside".to_owned()
        } else {
            format!("set aside: {}", set_aside.join(", "))
        }),
    ]
}

fn table(frame: &mut Frame<'_>, area: Rect, screen: &Screen, flows: &[&Flow], selected: usize) {
    let names = ["FLOW", "STATE", "RATE/S", "PENDING", "AGE", "QUARANT."];
    let heads = names.into_iter().zip(SORTS).enumerate().map(|(at, (name, (_, sort)))| {
        let chosen = if sort == screen.sort { Style::new().add_modifier(Modifier::UNDERLINED) } else { Style::new() };
        cell(name.to_owned(), at >= 2).style(chosen)
    });
    let head = Row::new(heads).style(Style::new().add_modifier(Modifier::BOLD));
    let rows = flows.iter().map(|flow| {
        let age = if flow.pending == 0 { format::UNKNOWN.to_owned() } else { format::span(flow.pending_seconds) };
        Row::new([
            cell(short(&flow.name), false),
            cell(flow.state.to_string(), false).style(style(board::level(flow))),
            cell(format::rate(flow.rate_per_second), true),
            cell(format::count(flow.pending), true),
            cell(age, true),
            cell(format::count(flow.quarantined), true),
        ])
    });
    let table =
        Table::new(rows, WIDTHS).header(head).row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, &mut TableState::default().with_selected(Some(selected)));
}

/// A name that fits its column: databases without what is the same in all of their names.
fn short(name: &str) -> String {
    let part = |part: &str| part.strip_prefix("genims_").map_or(part, |part| part.trim_end_matches("_db")).to_owned();
    name.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn cell(text: String, is_number: bool) -> Cell<'static> {
    let line = Line::from(text);
    Cell::from(if is_number { line.right_aligned() } else { line })
}

fn detail(flow: &Flow) -> Vec<Line<'_>> {
    let row = |name: &'static str, value: String| {
        Line::from(vec![
            Span::styled(format!("{name:<12} "), Style::new().add_modifier(Modifier::DIM)),
            Span::raw(value),
        ])
    };
    let because = flow.quarantined_because.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let mut lines = vec![
        Line::styled(flow.name.clone(), Style::new().add_modifier(Modifier::BOLD)),
        row("database", flow.database.clone().unwrap_or_else(|| "log of events".to_owned())),
        row("flow", board::what(flow)),
        row("state", flow.state.to_string()),
        row("rate", format!("{}/s", format::rate(flow.rate_per_second))),
        row("delivered", format::count(flow.delivered_total)),
        row("pending", format!("{}, the oldest {}", format::count(flow.pending), format::span(flow.pending_seconds))),
        row("quarantined", format!("{}{because}", format::count(flow.quarantined))),
        row("retried", format::count(flow.retried)),
        row("dropped", format::count(flow.dropped)),
    ];
    let more = [("export", &flow.export), ("retry", &flow.retry), ("last error", &flow.last_error)];
    lines.extend(more.into_iter().filter_map(|(name, value)| Some(row(name, value.clone()?))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_api::report::{ServerReport, SinkReport, SpoolReport};
    use genims_api::snapshot::{Fill, Rates};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::KeyCode;
    use std::time::Duration;

    fn snapshot() -> ServerSnapshot {
        let flow = |name: &str, state: &'static str, rate: f64, pending: u64| Flow {
            name: name.to_owned(),
            kind: "sink".into(),
            database: Some("genims_operations_db".to_owned()),
            state: state.into(),
            rate_per_second: rate,
            pending,
            pending_seconds: pending as f64,
            ..Flow::default()
        };
        let troubled = Flow {
            quarantined: 3,
            quarantined_because: Some("refused_by_database".into()),
            retry: Some("genims deadletter replay --reason refused_by_database".to_owned()),
            last_error: Some("connection \u{1b}[31mrefused".to_owned()),
            ..flow("sink/postgres", "retrying", 0.0, 123_456)
        };
        let mut report =
            ServerReport { version: "0.1.0".into(), ready: true, identity_holds: true, ..ServerReport::default() };
        report.total.received = 40_001;
        report.total.committed = 40_001;
        report.dead_letter_reasons = vec![("unknown_sensor".into(), 12)];
        report.spool = SpoolReport { bytes: 1 << 30, bytes_max: 8 << 30, ..SpoolReport::default() };
        report.sinks = vec![SinkReport::default()];
        let mut flows = vec![
            flow("changes/genims_manufacturing_db/audit", "following", 2.5, 0),
            flow("sink/mongodb", "following", 39_000.0, 17),
            troubled,
        ];
        flows.extend((0..40).map(|no| flow(&format!("changes/genims_{no:02}_db/stream"), "following", 0.0, 0)));
        ServerSnapshot {
            rates: Rates {
                span_seconds: 5.0,
                received_per_second: 41_000.0,
                stored_per_second: 40_000.0,
                ..Rates::default()
            },
            fill: Fill { share: 0.125, seconds_until_full: Some(5_400.0) },
            flows,
            report,
            ..ServerSnapshot::default()
        }
    }

    fn drawn(screen: &Screen, now: Instant, (width, height): (u16, u16)) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, screen, now)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().replace('\u{a0}', " ");
        (0..height).map(line).collect()
    }

    #[test]
    fn eighty_columns_and_twenty_four_lines_show_the_numbers_and_the_troubled_first() {
        let (mut screen, now) = (Screen::new("http://h:1".to_owned()), Instant::now());
        assert!(drawn(&screen, now, (80, 24))[0].starts_with("GenIMS  asking http://h:1"));
        screen.saw(Ok(snapshot()), now);
        let lines = drawn(&screen, now, (80, 24));
        assert!(lines[0].starts_with("GenIMS 0.1.0  http://h:1  up 0 ms  ready"), "{lines:#?}");
        assert!(lines[1].starts_with("stored 40 000/s  in 41 000/s  durable p99 0.0 ms"), "{lines:#?}");
        assert!(lines[2].starts_with("log 12 % of 8.0 GiB (1.0 GiB)  full in 1 h 30 min"), "{lines:#?}");
        assert!(lines[3].starts_with("40 001 = 40 001 stored + 0 dup") && lines[3].contains("holds"), "{lines:#?}");
        assert!(lines[4].starts_with("set aside: unknown_sensor 12"), "{lines:#?}");
        assert!(lines[6].starts_with("FLOW") && lines[6].contains("QUARANT."), "{lines:#?}");
        assert!(lines[7].starts_with("sink/postgres") && lines[7].contains("retrying"), "{lines:#?}");
        assert!(lines[7].contains("123 456") && lines[7].trim_end().ends_with('3'), "{lines:#?}");
        assert!(lines[9].starts_with("changes/manufacturing/audit following"), "{lines:#?}");
        assert!(lines[23].contains("q quit"), "{lines:#?}");
        assert_eq!(super::lines(&screen), 43 + 8);
    }

    #[test]
    fn keys_sort_choose_open_and_quit() {
        let (mut screen, now) = (Screen::new(String::new()), Instant::now());
        // Without data keys do nothing.
        for key in [KeyCode::Down, KeyCode::Up, KeyCode::End, KeyCode::Enter, KeyCode::Char('z'), KeyCode::Tab] {
            assert!(screen.press(key));
        }
        assert!(!screen.is_detailed);
        screen.saw(Ok(snapshot()), now);
        let first = |screen: &mut Screen, key: char| {
            assert!(screen.press(KeyCode::Char(key)));
            drawn(screen, now, (80, 24))[7].split(' ').next().unwrap_or_default().to_owned()
        };
        assert_eq!(first(&mut screen, 'r'), "sink/mongodb");
        assert_eq!(first(&mut screen, 'n'), "changes/00/stream");
        for key in ['p', 'a', 'x', 's'] {
            assert_eq!(first(&mut screen, key), "sink/postgres", "{key}");
        }
        // The chosen one is seen, also far down, and stays chosen when the order changes.
        screen.press(KeyCode::End);
        assert!(drawn(&screen, now, (80, 24)).iter().any(|line| line.starts_with("changes/39/stream")));
        screen.press(KeyCode::Home);
        screen.press(KeyCode::Char('n'));
        screen.press(KeyCode::Enter);
        let lines = drawn(&screen, now, (80, 24));
        assert!(lines[6].starts_with("sink/postgres"), "{lines:#?}");
        let told = lines.concat();
        for part in
            ["3 (refused_by_database)", "genims deadletter replay", "123 456, the oldest", "connection [31mrefused"]
        {
            assert!(told.contains(part), "{part}: {lines:#?}");
        }
        assert!(!told.contains('\u{1b}'), "an escape sequence of others reaches no terminal");
        screen.press(KeyCode::Esc);
        assert!(!screen.is_detailed && !screen.press(KeyCode::Char('q')));
    }

    #[test]
    fn a_server_that_is_away_is_shown_as_such_beside_what_was_seen_last() {
        let (mut screen, now) = (Screen::new("http://h:1".to_owned()), Instant::now());
        screen.saw(Err("http://h:1: refused".to_owned()), now);
        assert!(drawn(&screen, now, (80, 24))[0].starts_with("GenIMS  AWAY  http://h:1: refused"));
        screen.saw(Ok(snapshot()), now);
        assert!(drawn(&screen, now, (80, 24))[0].contains("ready"));
        let later = now + Duration::from_secs(42);
        assert!(drawn(&screen, later, (80, 24))[0].starts_with("GenIMS  AWAY  this is 42 s old"));
        screen.saw(Err("http://h:1: refused".to_owned()), later);
        let lines = drawn(&screen, later, (80, 24));
        assert!(
            lines[0].contains("42 s old  http://h:1: refused") && lines[7].starts_with("sink/postgres"),
            "{lines:#?}"
        );
        screen.saw(Ok(snapshot()), later);
        assert!(drawn(&screen, later, (80, 24))[0].contains("ready"));
        // At once, not only when what is shown is old.
        screen.saw(Err("http://h:1: refused".to_owned()), later);
        assert!(drawn(&screen, later, (80, 24))[0].starts_with("GenIMS  AWAY"));
    }

    #[test]
    fn any_size_of_a_terminal_is_drawn_on() {
        let (mut screen, now) = (Screen::new(String::new()), Instant::now());
        screen.saw(Ok(snapshot()), now);
        for size in [(1, 1), (20, 3), (80, 7), (300, 100)] {
            for key in [KeyCode::Enter, KeyCode::Esc] {
                screen.press(key);
                drawn(&screen, now, size);
            }
        }
    }
}
