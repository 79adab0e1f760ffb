//! Frames of a run that is told by its events.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::board::Board;
use super::frame::{Room, frame};
use super::line::standing;
use crate::analysis::testing::{Story, expecting, http_at, prometheus};
use crate::model::event::EventKind;
use crate::model::expectation::{Limit, Metric, Must, Operator, StopCondition, Subject};
use crate::model::sample::Outcome;
use crate::model::units::Share;

/// A slow generator that also fails now and then; a stop condition watches the errors.
fn story() -> Story {
    let sight = |n: usize| if n.is_multiple_of(20) { (1.0, Outcome::Wrong) } else { (412.0, Outcome::Ok) };
    Story::slow_generator().fault(sight).with(|experiment| {
        experiment.stop_conditions = vec![StopCondition {
            text: "ask.error_rate > 20%".into(),
            subject: Subject::Probe { probe: 0, metric: Metric::ErrorRate },
            breach: Must::Compare { operator: Operator::More, limit: Limit::Share(Share(0.2)) },
            hold: None,
        }];
    })
}

/// How the run stands at this second.
fn board(story: &Story, second: f64) -> (Board, Duration) {
    let (events, at) = (story.events(), Duration::from_secs_f64(second));
    let EventKind::RunStarted(header) = &events[0].kind else { panic!("a run begins with its header") };
    let mut board = Board::new(header);
    events.iter().filter(|event| event.at <= at).for_each(|event| board.see(event.at, &event.kind));
    (board, at)
}

fn drawn(story: &Story, second: f64, width: usize) -> Vec<String> {
    let (board, at) = board(story, second);
    frame(&board, at, Room { width, height: 40, color: false })
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_frame_tells_phase_faults_probes_and_stop_conditions() {
    let frame = drawn(&story(), 16.0, 100);
    let lines: Vec<String> = frame.iter().map(|line| squeezed(line)).collect();
    assert!(lines[0].starts_with("observe ━") && lines[0].contains("of 10s, "), "{frame:#?}");
    assert!(lines[0].contains(" left ") && lines[0].ends_with("16.0s into the run"), "{frame:#?}");
    assert!(lines[1].starts_with("ACTIVE slow generator (network.latency on proxy generator) for "), "{frame:#?}");
    assert!(lines[2].starts_with("probe rate errors p50 p95 p95, last "), "{frame:#?}");
    assert!(lines[3].starts_with("ask ") && lines[3].contains(" 412ms 412ms ") && lines[3].contains('█'), "{frame:#?}");
    assert!(lines[3].contains("% ") && !lines[3].contains(" 0% "), "errors are told: {frame:#?}");
    assert!(lines[4].starts_with("stop at ") && lines[4].contains("ask.error_rate ") && lines[4].ends_with(" of 20%"));
    assert_eq!(lines.len(), 5, "{frame:#?}");
}

#[test]
fn nothing_is_wider_than_the_room_and_what_matters_most_is_left() {
    let long = "an uncommonly long name of a probe that nobody would want to type twice";
    let wide = "問い合わせは速く答えられなければならない";
    let story = story().also_answering(http_at(long, "http://x"), |_| (2.0, Outcome::Ok));
    let story = story.also_answering(http_at(wide, "http://y"), |_| (2.0, Outcome::Ok)).with(|experiment| {
        experiment.faults[0].name = format!("{wide} {long}");
    });
    for width in [20, 40, 80, 200] {
        for second in [0.5, 5.0, 16.0, 23.0] {
            let frame = drawn(&story, second, width);
            assert!(frame.iter().all(|line| line.width() <= width), "{width}: {frame:#?}");
        }
    }
    let narrow = drawn(&story, 16.0, 40);
    assert!(narrow.iter().any(|line| line.contains("412ms")) && narrow[0].contains("left"), "{narrow:#?}");
    assert!(narrow.last().is_some_and(|line| line.contains("of 20%")), "{narrow:#?}");
    assert!(narrow[1].contains("left"), "the time of the fault is not cut off: {narrow:#?}");
}

#[test]
fn a_low_terminal_says_what_it_hides() {
    let (board, at) = board(&story(), 16.0);
    let frame = frame(&board, at, Room { width: 80, height: 3, color: false });
    assert_eq!((frame.len(), frame[2].as_str()), (3, "... and 3 lines more"));
}

#[test]
fn colours_are_used_only_when_they_are_wanted_and_change_no_word() {
    let (board, at) = board(&story(), 16.0);
    let [plain, color] = [false, true].map(|color| frame(&board, at, Room { width: 80, height: 40, color }));
    assert!(plain.iter().all(|line| !line.contains('\u{1b}')));
    let without = |line: &String| {
        let mut parts = line.split('\u{1b}');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.filter_map(|part| part.split_once('m')).fold(first, |text, (_, part)| text + part).trim_end().to_owned()
    };
    assert!(color.iter().any(|line| line.contains("\u{1b}[31m")), "errors are red: {color:?}");
    assert_eq!(color.iter().map(without).collect::<Vec<_>>(), plain);
}

#[test]
fn before_and_after_the_fault_neither_it_nor_its_stop_conditions_are_shown() {
    for second in [5.0, 23.0] {
        let frame = drawn(&story(), second, 80);
        assert!(!frame.iter().any(|line| line.contains("ACTIVE") || line.contains("stop at")), "{frame:#?}");
        let fails = !frame.iter().any(|line| line.contains(" 0% "));
        assert_eq!(fails, second > 20.0, "what failed a moment ago is told for a moment: {frame:#?}");
    }
}

#[test]
fn hostile_names_cannot_steer_the_terminal() {
    let evil = "e\u{1b}[2Jvil\u{7}\n\u{202e}";
    let story = story().with(|experiment| {
        experiment.faults[0].name = evil.into();
        experiment.steady_state[0].name = evil.into();
        experiment.stop_conditions[0].text = format!("{evil} > 1");
    });
    let frame = drawn(&story, 16.0, 200);
    assert!(frame.iter().all(|line| !line.contains(|c: char| c.is_control() || c == '\u{202e}')), "{frame:?}");
}

#[test]
fn a_probe_that_reads_values_shows_values() {
    let story = story().also(expecting(prometheus("depth"), &["value <= 10"]), |_| 7.25);
    let frame = drawn(&story, 16.0, 80);
    let row = frame.iter().find(|line| line.starts_with("depth")).expect("a row");
    assert!(squeezed(row).contains(" 7.25 7.25"), "{row}");
}

#[test]
fn elsewhere_one_line_says_how_it_stands() {
    let (board, at) = board(&story(), 16.0);
    let line = standing(&board, at).expect("a line");
    assert!(line.starts_with("observe: ") && line.contains(" of 10s: ask "), "{line}");
    assert!(line.contains("p95 412ms; nearest stop: ask.error_rate ") && line.ends_with(" of 20%"), "{line}");
}
