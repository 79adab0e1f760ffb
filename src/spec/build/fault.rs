//! `faults`.

use std::ops::Range;
use std::time::Duration;

use super::Context;
use super::group_limit;
use super::limits::HOUR;
use super::names::{Names, Unique};
use super::network;
use super::request;
use super::service::check_program;
use super::stress;
use super::target::target;
use crate::model::experiment::BlastRadius;
use crate::model::fault::{FaultKind, FaultSpec, Target};
use crate::model::units::Timespan;
use crate::spec::catalogue::{FAULTS, Flat, read_flat};
use crate::spec::decode::{Field, Raw, Spanned};
use crate::spec::file::{ExperimentFile, FaultFile};
use crate::spec::suggest;
use crate::spec::tree::NodeId;

/// A fault that is right, and what to underline for it.
pub(super) type Placed = (FaultSpec, Range<usize>);

/// The faults that are right.
pub(super) fn faults(
    context: &Context<'_, '_>,
    file: &ExperimentFile,
    names: &Names,
    blast_radius: &BlastRadius,
) -> Vec<Placed> {
    let drafts: Vec<Draft> = file.faults.each().iter().filter_map(|&Raw(node)| draft(context, node, names)).collect();
    let mut unique = Unique::new("fault");
    drafts.iter().filter_map(|draft| draft.name.as_ref()).for_each(|name| unique.add(context, &name.value, &name.span));
    let first = drafts.iter().map(|draft| draft.start).min().unwrap_or_default();
    let last = Timespan(first.0 + blast_radius.duration.0);
    drafts.into_iter().filter_map(|draft| finish(context, draft, last, blast_radius)).collect()
}

/// A fault before its times are judged together with those of the others.
struct Draft {
    node: NodeId,
    name: Option<Spanned<String>>,
    kind: Option<FaultKind>,
    target: Option<Target>,
    start: Timespan,
    duration: Field<Timespan>,
}

fn draft(context: &Context<'_, '_>, node: NodeId, names: &Names) -> Option<Draft> {
    let Flat { common: file, kind } = read(context, node);
    let file = file?;
    let head = context.decoder.tree.head(node);
    let target = context.require(&file.target, "target", &head).and_then(|given| target(context, given, names));
    if let (Some(kind), Some(target), Some(place)) = (&kind, &target, file.target.given())
        && !kind.takes().contains(&target.kind())
    {
        let message = format!("`{}` cannot act on {}", kind.word(), target.describe());
        let examples: Vec<String> = kind.takes().iter().map(|kind| format!("`target: {}`", kind.example())).collect();
        context.error(&place.span, message, format!("write {}", examples.join(" or ")));
    }
    if let Some(kind) = &kind {
        settings(context, node, kind);
    }
    let word = kind.as_ref().map(FaultKind::word);
    let name = match file.name.given() {
        Some(given) => context.name(given).map(|value| Spanned { value, span: given.span.clone() }),
        None => word.map(|word| Spanned { value: word.to_owned(), span: context.place(node, "fault") }),
    };
    let start = if file.start.get() == Some(&Timespan::ZERO) {
        Timespan::ZERO
    } else {
        context.time(&file.start, "start", Timespan::ZERO, HOUR, Timespan::ZERO)
    };
    Some(Draft { node, name, kind, target, start, duration: file.duration })
}

/// Reads an entry; reports a word that no fault has.
fn read(context: &Context<'_, '_>, node: NodeId) -> Flat<FaultFile, FaultKind> {
    let flat: Flat<FaultFile, FaultKind> = read_flat(context.decoder, node, "fault", &FAULTS);
    if let Some(file) = &flat.common
        && let Some(word) = context.require(&file.fault, "fault", &context.decoder.tree.head(node))
        && !FaultKind::WORDS.contains(&word.value.as_str())
    {
        let help = suggest::hint(&word.value, &FaultKind::WORDS);
        context.error(&word.span, format!("there is no fault `{}`", word.value), help);
    }
    flat
}

/// Judges the times and the share against the blast radius.
fn finish(context: &Context<'_, '_>, draft: Draft, last: Timespan, blast_radius: &BlastRadius) -> Option<Placed> {
    let whole = Timespan(last.0.saturating_sub(draft.start.0));
    let duration = context.time(&draft.duration, "duration", Timespan::ZERO, HOUR, whole);
    if draft.start.0 + duration.0 > last.0 || duration == Timespan::ZERO && draft.duration.get().is_none() {
        let key = if draft.duration.get().is_some() { "duration" } else { "start" };
        let message = format!(
            "this fault ends {} after the blast radius allows",
            Timespan((draft.start.0 + duration.0).saturating_sub(last.0))
        );
        let message = if whole == Timespan::ZERO {
            "this fault starts after the blast radius' duration".to_owned()
        } else {
            message
        };
        let help = format!("all faults together last at most {} (`blast_radius.duration`)", blast_radius.duration);
        context.error(&context.place(draft.node, key), message, help);
    }
    let kind = draft.kind?;
    if let Some(share) = kind.share() {
        let place = context.place(draft.node, "share");
        if share > blast_radius.traffic {
            let message = format!("a share of {share} is more than the blast radius allows");
            context.error(&place, message, format!("`blast_radius.traffic` is {}", blast_radius.traffic));
        } else if share.0 <= 0.0 {
            context.error(&place, "a share of 0% touches nothing", "write more than 0%");
        }
    }
    let head = context.place(draft.node, "fault");
    Some((FaultSpec { name: draft.name?.value, kind, target: draft.target?, start: draft.start, duration }, head))
}

/// The ranges of the settings of each kind.
fn settings(context: &Context<'_, '_>, node: NodeId, kind: &FaultKind) {
    let refuse = |wrong: bool, key: &str, message: &str, help: &str| {
        if wrong {
            context.error(&context.place(node, key), message, help);
        }
    };
    group_limit::settings(kind, refuse);
    match kind {
        FaultKind::NetworkLatency(_)
        | FaultKind::NetworkBandwidth(_)
        | FaultKind::NetworkDisconnect(_)
        | FaultKind::NetworkBlackhole(_)
        | FaultKind::NetworkSlowClose(_)
        | FaultKind::NetworkSlice(_)
        | FaultKind::NetworkLimitData(_)
        | FaultKind::NetworkDown(_) => network::settings(kind, refuse),
        FaultKind::CpuStress(_) | FaultKind::MemoryStress(_) | FaultKind::DiskStress(_) | FaultKind::DiskFill(_) => {
            stress::settings(kind, refuse);
        }
        FaultKind::ProcessKill(fault) => {
            let often = fault.every.is_some_and(|every| every.0 < Duration::from_millis(100));
            refuse(
                often,
                "every",
                "a kill so often is one without end",
                "write 100ms or more, or leave it out for once",
            );
        }
        FaultKind::ProcessSlow(fault) => {
            refuse(fault.share.0 <= 0.0, "share", "a share of 0% slows nobody", "write more than 0%");
            refuse(fault.share.0 >= 1.0, "share", "a share of 100% is a pause", "use `fault: process.pause`");
            let period = Duration::from_millis(10)..=Duration::from_secs(10);
            let wrong = !period.contains(&fault.period.0);
            refuse(wrong, "period", &format!("a period of {} cannot be kept", fault.period), "write 10ms to 10s");
        }
        FaultKind::ProcessExec(fault) => {
            for (key, words) in kind.commands() {
                check_program(context, words.clone(), &context.place(node, key));
            }
            let right = (Duration::from_millis(100)..=Duration::from_secs(15)).contains(&fault.within.0);
            refuse(!right, "within", "a way back must come to its end soon", "write 100ms to 15s");
        }
        _ => request::settings(context, node, kind),
    }
}
