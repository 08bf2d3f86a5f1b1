//! Draws the clients that send most, on 80 columns or more.

use super::{cell, style};
use crate::cli::top::screen::Screen;
use genims_api::format;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Row, Table, TableState};

const NAMES: [&str; 7] = ["CLIENT", "LISTENER", "RATE/S", "RECEIVED", "BYTES", "ASIDE", "SLOWED"];
const WIDTHS: [Constraint; 7] = [
    Constraint::Min(18),
    Constraint::Length(10),
    Constraint::Length(8),
    Constraint::Length(12),
    Constraint::Length(10),
    Constraint::Length(8),
    Constraint::Length(7),
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let head = NAMES.into_iter().enumerate().map(|(at, name)| cell(name.to_owned(), at >= 2));
    let rows = screen.talkers().iter().map(|talker| {
        Row::new([
            cell(talker.client.clone(), false).style(style(talker.level())),
            cell(talker.listener.clone(), false),
            cell(format::rate(talker.received_per_second), true),
            cell(format::count(talker.received), true),
            cell(format::bytes(talker.bytes), true),
            cell(format::count(talker.dead_letters), true),
            cell(format::count(talker.waits), true),
        ])
    });
    let table = Table::new(rows, WIDTHS)
        .header(Row::new(head).style(Style::new().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let selected = (!screen.talkers().is_empty()).then_some(screen.talker);
    frame.render_stateful_widget(table, area, &mut TableState::default().with_selected(selected));
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_api::snapshot::ServerSnapshot;
    use genims_api::talkers::{OthersReport, TalkerReport, TalkersReport};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::KeyCode;
    use std::time::Instant;

    fn drawn(screen: &Screen) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| super::super::draw(frame, screen, Instant::now())).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..80).map(|x| buffer[(x, y)].symbol()).collect::<String>().replace('\u{a0}', " ");
        (0..24).map(line).collect()
    }

    #[test]
    fn a_key_shows_who_sends_most_and_the_same_key_the_flows_again() {
        let talker = |no: u64| TalkerReport {
            client: format!("press-{no}\u{1b}[31m"),
            listener: "mqtt".to_owned(),
            received_per_second: no as f64,
            received: 1_000 * no,
            bytes: 2_048 * no,
            dead_letters: no / 40,
            waits: no / 39,
            ..TalkerReport::default()
        };
        let talkers = TalkersReport::new((1..=40).map(talker).collect(), OthersReport::default());
        let snapshot = ServerSnapshot { talkers, ..ServerSnapshot::default() };
        let mut screen = Screen::new(String::new());
        screen.press(KeyCode::Char('t'));
        screen.press(KeyCode::Down);
        assert!(drawn(&screen)[6].starts_with("CLIENT"), "also while nothing is known");
        screen.saw(Ok(snapshot), Instant::now());
        let lines = drawn(&screen);
        assert!(lines[6].contains("RATE/S") && lines[6].trim_end().ends_with("SLOWED"), "{lines:#?}");
        assert!(lines[7].starts_with("press-40") && lines[7].contains("40 000"), "{lines:#?}");
        let numbers: Vec<&str> = lines[7].split_whitespace().skip(1).collect();
        assert_eq!(numbers, ["mqtt", "40", "40", "000", "80.0", "KiB", "1", "1"], "{lines:#?}");
        assert!(!lines.concat().contains('\u{1b}'), "an escape sequence of others reaches no terminal");
        assert!(lines[23].contains("back to the flows"), "{lines:#?}");
        screen.press(KeyCode::End);
        screen.press(KeyCode::Enter);
        assert!(drawn(&screen).iter().any(|line| line.starts_with("press-1[")), "the last is in view");
        screen.press(KeyCode::Char('t'));
        let lines = drawn(&screen);
        assert!(lines[23].contains("t talkers") && !lines.concat().contains("press-"), "{lines:#?}");
    }
}
