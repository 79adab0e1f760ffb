//! Faults that hold the same of one target at the same time.

use super::Context;
use super::fault::Placed;
use crate::diagnostic::Diagnostic;
use crate::model::fault::{FaultSpec, Target};

/// Reports every fault that contends with an earlier one of the file. Targets that are written in different ways are
/// compared when they have been found.
pub(super) fn are_apart(context: &Context<'_, '_>, faults: &[Placed]) {
    for (place, (fault, span)) in faults.iter().enumerate() {
        let hit = |(other, _): &&Placed| on_one_target(fault, other) && fault.contends_with(other).is_some();
        let Some((other, before)) = faults[..place].iter().find(hit) else { continue };
        let Some(hold) = fault.contends_with(other) else { continue };
        let message =
            format!("`{}` and `{}` both {hold} {} at the same time", other.name, fault.name, fault.target.describe());
        let (first, second) = if fault.start < other.start { (fault, other) } else { (other, fault) };
        let help = format!(
            "let `{}` start when `{}` has ended (`start: {}` or later), or {}",
            second.name,
            first.name,
            first.end(),
            hold.way_out()
        );
        let error = Diagnostic::error(message).at(span.clone()).also(before.clone(), format!("`{}`", other.name));
        context.decoder.report(error.note(hold.why()).help(help));
    }
}

/// Whether both mean the same: processes, of which one of them may mean their children, too, or the machine.
fn on_one_target(one: &FaultSpec, other: &FaultSpec) -> bool {
    match (&one.target, &other.target) {
        (Target::Process(one), Target::Process(other)) => one.by == other.by,
        (one, other) => (one, other) == (&Target::Host, &Target::Host),
    }
}
