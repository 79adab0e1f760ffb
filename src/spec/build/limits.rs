//! `blast_radius`, `stop_conditions`, `baseline`, `recovery`, and how many samples all of it makes.

use super::probe::Probe;
use super::{Context, recovery_default};
use crate::model::expectation::StopCondition;
use crate::model::experiment::{BlastRadius, Experiment, Recovery, Scope};
use crate::model::units::{Share, Timespan};
use crate::spec::decode::{Field, Raw};
use crate::spec::expression::{self, Known};
use crate::spec::file::{BlastRadiusFile, ExperimentFile, RecoveryFile};

/// An hour: the longest baseline, recovery and start.
pub(super) const HOUR: Timespan = Timespan::seconds(3600);
const LONGEST_FAULT: Timespan = Timespan::seconds(600);
const MOST_SAMPLES: f64 = 5e6;

/// The limits of harm, with defaults where nothing is said; `breaks` says whether there are faults.
pub(super) fn blast_radius(context: &Context<'_, '_>, field: &Field<BlastRadiusFile>, breaks: bool) -> BlastRadius {
    let none = BlastRadiusFile::default();
    let file = field.get().unwrap_or(&none);
    if let Some(scope) = file.scope.given() {
        let nothing = matches!(scope.value, Scope::Count(0) | Scope::Percentage(Share(0.0)));
        if nothing {
            context.error(
                &scope.span,
                "a scope of nothing breaks nothing",
                "write `single_instance` or `{ count: 1 }`",
            );
        }
    }
    if let Some(traffic) = file.traffic.given().filter(|traffic| traffic.value.0 <= 0.0) {
        context.error(&traffic.span, "with `traffic` of 0% no fault touches anything", "write more than 0%");
    }
    if let Some(users) = file.max_affected_users.given().filter(|users| users.value == 0) {
        context.error(&users.span, "with 0 users no fault touches anyone", "write 1 or more, or leave it out");
    }
    if matches!(field, Field::Absent) && breaks {
        let message = "no `blast_radius` says how far the harm may go";
        let help = "add one, such as `blast_radius: { duration: 30s }`; without it that is 60s and all traffic";
        context.warn(&context.place(context.decoder.tree.root, "faults"), message, help);
    }
    let (least, default) = (Timespan::ZERO, Timespan::seconds(60));
    BlastRadius {
        scope: file.scope.or(Scope::SingleInstance),
        traffic: file.traffic.or(Share::ALL),
        max_affected_users: file.max_affected_users.get().copied(),
        duration: context.time(&file.duration, "duration", least, LONGEST_FAULT, default),
    }
}

pub(super) fn baseline(context: &Context<'_, '_>, field: &Field<Timespan>) -> Timespan {
    context.time(field, "baseline", Timespan::seconds(1), HOUR, Timespan::seconds(10))
}

pub(super) fn recovery(context: &Context<'_, '_>, field: &Field<RecoveryFile>) -> Recovery {
    let default = recovery_default();
    let Some(file) = field.get() else { return default };
    let watch =
        file.watch.given().map(|_| context.time(&file.watch, "watch", Timespan::ZERO, HOUR, Timespan::seconds(1)));
    Recovery { within: context.time(&file.within, "within", Timespan::ZERO, HOUR, default.within), watch }
}

/// The stop conditions that are right.
pub(super) fn stop_conditions(
    context: &Context<'_, '_>,
    file: &ExperimentFile,
    probes: &[Probe],
) -> Vec<StopCondition> {
    let complete = probes.iter().all(|probe| probe.name.is_some()) && !file.steady_state.is_broken();
    let known: Vec<Known<'_>> = probes
        .iter()
        .map(|probe| Known { name: probe.name.as_deref().unwrap_or_default(), values: probe.values })
        .collect();
    let conditions = file.stop_conditions.each();
    if conditions.is_empty() && !file.stop_conditions.is_broken() && !file.faults.each().is_empty() {
        let place = context.place(context.decoder.tree.root, "faults");
        context.warn(
            &place,
            "no stop condition ends these faults early",
            "add `stop_conditions`, such as `ask.error_rate > 50%`",
        );
    }
    conditions.iter().filter_map(|&Raw(node)| stop_condition(context, node, &known, complete)).collect()
}

fn stop_condition(
    context: &Context<'_, '_>,
    node: usize,
    probes: &[Known<'_>],
    complete: bool,
) -> Option<StopCondition> {
    let text: String = context.decoder.read(node)?;
    expression::stop_condition(&text, probes, complete).unwrap_or_else(|trouble| {
        let place = context.decoder.tree.part(node, trouble.part);
        context.error(&place, trouble.message, trouble.help);
        None
    })
}

/// Refuses floods. Probes that are asked too seldom to say anything are a matter of `analysis::risks`.
pub(super) fn samples(context: &Context<'_, '_>, experiment: &Experiment) {
    let seconds = |time: Timespan| time.0.as_secs_f64();
    let whole = seconds(experiment.baseline)
        + seconds(experiment.fault_window())
        + seconds(experiment.recovery.within)
        + experiment.recovery.watch.map_or(0.0, seconds);
    let per_second = |interval: Timespan| 1.0 / seconds(interval).max(1e-9);
    let all: f64 = experiment.steady_state.iter().map(|probe| whole * per_second(probe.interval)).sum();
    let place = context.place(context.decoder.tree.root, "steady_state");
    if all > MOST_SAMPLES {
        let message = format!("these probes would take {all:.0} samples, at most {MOST_SAMPLES:.0}");
        context.error(&place, message, "lower a `rate`, or shorten `baseline`, the faults or `recovery`");
    }
}
