//! What is printed: one row a mode, and for each failure the command that strikes at exactly that point again.

use std::time::Duration;

use crate::matrix::{Failure, Row, Struck, quantile};

pub fn draw(rows: &[Row]) -> String {
    let mut text = format!(
        "\n{:<17} {:>7} {:>12} {:>6}   {:>9} {:>9} {:>9}\n",
        "mode", "points", "not reached", "leaks", "p50 ms", "p99 ms", "max ms"
    );
    for row in rows {
        text += &line(row);
    }
    text
}

fn line(row: &Row) -> String {
    if row.skipped.is_some() {
        return format!("{:<17} SKIPPED\n", row.mode.name);
    }
    let missed = row.struck.iter().filter(|(_, struck)| *struck == Ok(Struck::NotReached)).count();
    let times = row.times();
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| quantile(&times, share).map_or("-".to_owned(), milliseconds));
    let wanted = if row.mode.must_leak { " (must be more than 0)" } else { "" };
    format!(
        "{:<17} {:>7} {missed:>12} {:>6}   {p50:>9} {p99:>9} {max:>9}{wanted}\n",
        row.mode.name,
        row.struck.len(),
        row.leaks(),
    )
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// Tells what failed. Leaks of a mode that must leak are no failures.
pub fn failures(row: &Row) {
    if row.mode.must_leak && row.leaks() == 0 {
        println!("FAILED {}: nothing leaked, so the oracle is blind and the matrix proves nothing", row.mode.name);
    }
    if row.is_too_slow() {
        let figure = row.mode.figure.unwrap_or_default();
        let slow: Vec<&str> = row.slower_than(figure).collect();
        println!("FAILED {}: p99 is above {figure:?}; slower were {}", row.mode.name, slow.join(", "));
    }
    for (point, struck) in &row.struck {
        let why = match struck {
            Err(Failure::Leak(left)) if !row.mode.must_leak => format!("LEAK: {left}"),
            Err(Failure::Wrong(why)) => why.clone(),
            _ => continue,
        };
        println!(
            "FAILED {} {point}: {why}\n  again: CRASH='{} {point}' cargo test --test crash",
            row.mode.name, row.mode.name
        );
    }
}
