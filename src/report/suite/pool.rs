//! What repeated runs of one experiment say together.

use super::Entry;
use crate::analysis::findings::{RecoveryStatus, Standing};
use crate::analysis::pool::{Pool, PooledProbe, PooledRow};
use crate::analysis::{amount, subject};
use crate::model::units::Timespan;
use crate::report::layout::{Page, Tone};
use crate::report::text::tone;

/// All of it, in any format.
pub(super) fn say(page: &mut Page, entry: &Entry, pool: &Pool) {
    page.gap();
    let title = format!("{} IN {} RUNS: {}", pool.verdict.headline(), pool.of, entry.name);
    page.paragraph(&title, 0, Some(tone(pool.verdict)));
    pool.reasons.iter().for_each(|reason| page.paragraph(reason, 2, None));
    page.gap();
    let mut pairs = vec![
        ("Impact".to_owned(), format!("{}: {}", pool.impact.level.word(), pool.impact.why)),
        ("Judged together".to_owned(), format!("{} of {} runs", pool.pooled, pool.of)),
    ];
    pairs.extend(recovery(entry).map(|words| ("Time to recover".to_owned(), words)));
    page.pairs(&pairs);
    if !pool.probes.is_empty() {
        steady_state(page, &pool.probes);
        worse(page, &pool.probes);
    }
    each_run(page, entry);
}

/// `4.1s to 5.3s in 5 of 5 runs`
fn recovery(entry: &Entry) -> Option<String> {
    let all: Vec<_> = entry.told().map(|(_, told)| &told.analysis.recovery).collect();
    let recovered = all.iter().filter(|one| one.status == RecoveryStatus::Recovered);
    let times: Vec<_> = recovered.filter_map(|one| one.time_to_recover).collect();
    let (least, most) = (times.iter().min()?, times.iter().max()?);
    Some(format!("{} to {} in {} of {} runs", Timespan(*least), Timespan(*most), times.len(), all.len()))
}

const TONES: [(&str, Tone); 3] = [("held", Tone::Good), ("DEVIATED", Tone::Bad), ("inconclusive", Tone::Doubtful)];

fn steady_state(page: &mut Page, probes: &[PooledProbe]) {
    page.heading("STEADY STATE OVER ALL RUNS (95% sure; the intervals allow for how much the runs differ)");
    let rows: Vec<Vec<String>> = rows(probes)
        .map(|(probe, row)| {
            let sure = row.all.fault.shown_interval.clone().unwrap_or_else(|| row.all.fault.shown.clone());
            vec![
                probe,
                row.all.expected.clone(),
                row.all.baseline.shown.clone(),
                row.all.fault.shown.clone(),
                sure,
                row.all.result.word().to_owned(),
            ]
        })
        .collect();
    page.table(&["probe", "expected", "before", "during", "95% sure", "result"], &rows, &TONES);
}

fn worse(page: &mut Page, probes: &[PooledProbe]) {
    let compared = rows(probes).filter_map(|(probe, row)| {
        let found = row.all.compared.as_ref()?;
        let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), amount);
        Some(vec![
            probe,
            subject(&row.all.expected).to_owned(),
            amount(found.degradation),
            format!("{} to {}", end(found.low), end(found.high)),
            end(found.smallest_visible),
            row.all.level.word().to_owned(),
        ])
    });
    let compared: Vec<Vec<String>> = compared.collect();
    if !compared.is_empty() {
        page.heading("WORSE THAN BEFORE (each run against its own baseline; below zero is better)");
        page.table(&["probe", "metric", "worse by", "95% sure", "would show", "impact"], &compared, &[]);
    }
}

/// The probe's name where its rows begin.
fn rows(probes: &[PooledProbe]) -> impl Iterator<Item = (String, &PooledRow)> {
    probes.iter().flat_map(|probe| {
        let name = |place| if place == 0 { probe.name.clone() } else { String::new() };
        probe.expectations.iter().enumerate().map(move |(place, row)| (name(place), row))
    })
}

/// How much the runs differ is told, not averaged away.
fn each_run(page: &mut Page, entry: &Entry) {
    page.heading("EACH RUN (during the fault)");
    let rows: Vec<Vec<String>> = entry
        .attempts
        .iter()
        .zip(1..)
        .map(|(attempt, number)| {
            let measured = attempt.told.as_ref().ok().map(|told| {
                let rows = told.analysis.probes.iter().flat_map(|probe| {
                    probe
                        .expectations
                        .iter()
                        .map(|row| format!("{} {} {}", probe.name, subject(&row.expected), row.fault.shown))
                });
                rows.collect::<Vec<_>>().join(", ")
            });
            let verdict = attempt.told.as_ref().map_or("NO REPORT", |told| told.analysis.verdict.headline());
            vec![
                number.to_string(),
                measured.unwrap_or_else(|| "-".to_owned()),
                attempt.code.to_string(),
                verdict.to_owned(),
            ]
        })
        .collect();
    page.table(&["run", "measured", "exit", "verdict"], &rows, &[("HELD", Tone::Good), ("DEVIATED", Tone::Bad)]);
}

/// What an expectation of all runs is in a word for machines, or why it is not sure.
pub(super) fn outcome(row: &PooledRow) -> Result<(), (Standing, String)> {
    let alone: Vec<String> =
        row.runs.iter().zip(&row.alone).map(|(shown, alone)| format!("{shown} ({})", alone.word())).collect();
    let why = row.all.fault.why.clone().map(|why| format!("{why}; ")).unwrap_or_default();
    match row.all.result {
        Standing::Held => Ok(()),
        other => Err((other, format!("{why}{} over all runs; each run: {}", row.all.fault.shown, alone.join(", ")))),
    }
}
