//! What holds without any policy: a fault without a way back needs the consent of the experiment.

use super::{Refusal, Request};
use crate::model::step::{Step, Undo};

/// Whether there is no way back from a step.
pub(super) fn irreversible(step: &Step) -> bool {
    matches!(step.undo, Undo::None { .. })
}

pub(super) fn judge(request: &Request<'_>, refusals: &mut Vec<Refusal>) {
    if request.experiment.allow_irreversible {
        return;
    }
    for (place, steps) in request.steps.iter().enumerate().filter(|(_, steps)| steps.iter().any(irreversible)) {
        let because = steps.iter().find_map(|step| match &step.undo {
            Undo::None { because } => Some(because.as_str()),
            _ => None,
        });
        refusals.push(Refusal {
            message: format!("this fault cannot be undone: {}", because.unwrap_or_default()),
            place: format!("faults[{place}].fault"),
            rule: "built in: what cannot be undone needs consent".to_owned(),
            help: Some("write `allow_irreversible: true` at the top of the file if you accept that".to_owned()),
        });
    }
}
