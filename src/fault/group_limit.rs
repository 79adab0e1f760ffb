//! What every fault that limits the control group of its target shares.

use crate::fault::FaultPlan;
use crate::fault::victims::whom;
use crate::host::Facts;
use crate::model::cgroup::{Controller, Limit};
use crate::model::dose::{GroupReading, Meter};
use crate::model::fault::{FaultSpec, Target};
use crate::model::step::{Act, Check, Step, Undo};

/// What is needed, in words.
const NEEDS: &str = "root, or control groups that were handed to this user";

/// The plan of any limit: values are set, and set back if they are still ours.
pub(super) fn limit_plan(fault: &FaultSpec, limit: Limit, facts: &Facts) -> Result<FaultPlan, String> {
    cannot(&fault.target, limit.controller(), facts).map_or(Ok(()), Err)?;
    let whom = whom(fault, facts)?;
    let name = fault.name.clone();
    Ok(FaultPlan {
        meter: Meter::Group { name: name.clone() },
        needs: NEEDS,
        steps: vec![Step {
            apply: Act::LimitGroup { name: name.clone(), whom, limit },
            undo: Undo::RestoreGroup { name: name.clone() },
            verify: Check::GroupRestored { name },
        }],
    })
}

/// Why a service of ours cannot be given a control group with this controller; none when it can.
pub(super) fn cannot(target: &Target, controller: Controller, facts: &Facts) -> Option<String> {
    let service = target.process()?.by.service()?;
    let why = facts.no_groups.get(&controller)?;
    Some(format!("service {service} cannot have a control group of its own: {why}"))
}

/// Why a limit that is in place was not effective: it was never felt.
pub(super) fn unfelt(reading: &GroupReading, felt: bool, otherwise: &str) -> Option<String> {
    match &reading.not_in_place {
        Some(why) => Some(why.clone()),
        None => (!felt).then(|| otherwise.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{cannot, unfelt};
    use crate::fault::testing::facts;
    use crate::host::Facts;
    use crate::model::cgroup::Controller;
    use crate::model::dose::GroupReading;
    use crate::model::fault::Target;

    #[test]
    fn a_machine_without_control_groups_says_why() {
        let no_groups = [(Controller::Cpu, "nothing is mounted".to_owned())].into();
        let bare = Facts { no_groups, ..facts() };
        let demo = Target::service("demo");
        let why = cannot(&demo, Controller::Cpu, &bare).expect("cannot");
        assert_eq!(why, "service demo cannot have a control group of its own: nothing is mounted");
        assert_eq!(cannot(&demo, Controller::Memory, &bare), None);
        assert_eq!(cannot(&Target::Host, Controller::Cpu, &bare), None);
    }

    #[test]
    fn a_limit_that_somebody_changed_was_not_in_place_however_often_it_was_felt() {
        let changed = GroupReading { not_in_place: Some("it is 5 now".into()), ..GroupReading::default() };
        assert_eq!(unfelt(&changed, true, "never"), Some("it is 5 now".into()));
        assert_eq!(unfelt(&GroupReading::default(), false, "never"), Some("never".into()));
        assert_eq!(unfelt(&GroupReading::default(), true, "never"), None);
    }
}
