//! What changed from one run to another -> text, JSON.

use super::layout::{Page, Style, Tone};
use crate::analysis::two_runs::{Comparison, Measured, MetricChange, Side, When};
use crate::model::units::Timespan;

/// For machines.
pub fn json(comparison: &Comparison) -> serde_json::Result<String> {
    #[derive(serde::Serialize)]
    struct Document<'a> {
        format: u32,
        #[serde(flatten)]
        comparison: &'a Comparison,
    }
    Ok(serde_json::to_string_pretty(&Document { format: 1, comparison })? + "\n")
}

/// For people: the answer first.
pub fn text(comparison: &Comparison, style: Style) -> String {
    let mut page = Page::new(style);
    headline(&mut page, comparison);
    page.gap();
    page.pairs(&[("A".to_owned(), side(&comparison.a)), ("B".to_owned(), side(&comparison.b))]);
    comparison.doubts.iter().for_each(|doubt| page.paragraph(&format!("mind that {doubt}"), 2, Some(Tone::Doubtful)));
    page.heading("METRICS (95% intervals where the analysis has them)");
    let rows: Vec<Vec<String>> = comparison.metrics.iter().map(row).collect();
    let tones = [("WORSE", Tone::Bad), ("better", Tone::Good), ("may be chance", Tone::Doubtful)];
    page.table(&["probe", "expected", "when", "A", "B", "B is"], &rows, &tones);
    page.finish()
}

fn headline(page: &mut Page, comparison: &Comparison) {
    let told = |page: &mut Page, title: &str, tone, lines: &[String]| {
        if !lines.is_empty() {
            page.paragraph(title, 0, Some(tone));
            lines.iter().for_each(|line| page.paragraph(line, 2, None));
        }
    };
    told(page, "REGRESSION", Tone::Bad, &comparison.regressions);
    told(page, "IMPROVEMENT", Tone::Good, &comparison.improvements);
    if comparison.regressions.is_empty() && comparison.improvements.is_empty() {
        page.paragraph("NOTHING CHANGED FOR SURE", 0, Some(Tone::Strong));
    }
}

fn side(side: &Side) -> String {
    let recovery = side.time_to_recover_s.and_then(|time| std::time::Duration::try_from_secs_f64(time).ok());
    let recovery = recovery.map(|time| format!(", recovered in {}", Timespan(time))).unwrap_or_default();
    let Side { run, experiment, verdict, impact, .. } = side;
    format!("{}: {experiment} (impact {}{recovery}), run {run}", verdict.headline(), impact.word())
}

fn row(metric: &MetricChange) -> Vec<String> {
    let when = match metric.when {
        When::Before => "before",
        When::During => "during",
    };
    let cell = |side: &Option<Measured>| side.as_ref().map_or_else(|| "-".to_owned(), |side| side.shown.clone());
    vec![
        metric.probe.clone(),
        metric.expected.clone(),
        when.to_owned(),
        cell(&metric.a),
        cell(&metric.b),
        metric.change.word().to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::{json, text};
    use crate::analysis::analyse;
    use crate::analysis::testing::Story;
    use crate::analysis::two_runs::{Comparison, Told, compare};
    use crate::model::sample::Outcome;
    use crate::report::Style;

    fn slower() -> Comparison {
        let (a, b) = (Story::slow_generator().tell(), Story::slow_generator().fault(|_| (412.0, Outcome::Ok)).tell());
        let (of_a, of_b) = (analyse(&a), analyse(&b));
        compare(Told { run: &a, analysis: &of_a }, Told { run: &b, analysis: &of_b })
    }

    #[test]
    fn a_regression_is_the_first_word_and_its_row_says_so() {
        let text = text(&slower(), Style { color: false, width: 100 });
        assert!(text.starts_with("REGRESSION\n  verdict: HELD -> DEVIATED\n"), "{text}");
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let row = "ask | p95 <= 250ms | during | 2ms | 412ms | WORSE";
        assert!(text.lines().any(|line| squeezed(line) == row), "{text}");
    }

    #[test]
    fn machines_read_the_same() {
        let read: serde_json::Value = serde_json::from_str(&json(&slower()).expect("writes")).expect("reads");
        assert_eq!((&read["format"], &read["regressions"][0]), (&1.into(), &"verdict: HELD -> DEVIATED".into()));
        assert_eq!((&read["metrics"][3]["when"], &read["metrics"][3]["change"]), (&"during".into(), &"worse".into()));
        assert_eq!(read["b"]["verdict"], "deviated");
    }
}
