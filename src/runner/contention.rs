//! Two faults that hold the same of one process at once: seen only when it is known whom their targets mean.

use crate::host::Trouble;
use crate::model::fault::FaultSpec;
use crate::model::target::Victim;

/// Refuses a fault that would hit somebody of whom one of the others holds the same.
pub(super) fn apart<'a>(
    fault: &FaultSpec,
    victims: &[Victim],
    others: impl Iterator<Item = (&'a FaultSpec, &'a [Victim])>,
) -> Result<(), Trouble> {
    let Some(hold) = fault.kind.hold() else { return Ok(()) };
    for (other, whom) in others.filter(|(other, _)| other.kind.hold().as_ref() == Some(&hold)) {
        let held = victims.iter().find(|victim| whom.iter().any(|one| one.process == victim.process));
        if let Some(victim) = held {
            let what = format!("let `{}` act on {}", fault.name, fault.target.describe());
            let why = format!(
                "`{}` and `{}` would both {hold} {victim} at the same time: {}",
                other.name,
                fault.name,
                hold.why()
            );
            let help =
                format!("let one start when the other has ended, or find {} in another way", fault.target.describe());
            return Err(Trouble::new(what, why).help(help));
        }
    }
    Ok(())
}
