//! `process.exec`: runs a command of the experiment's, and another one that undoes it. For what there is no fault for.

use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, InPlace, Meter};
use crate::model::fault::{FaultSpec, ProcessExec, TargetKind};
use crate::model::step::{Act, Check, CommandLine, Step, Undo};

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "process.exec",
    summary: "runs a command of yours, and another one that undoes it",
    breaks: "whatever there is no fault for: a firewall rule, a feature switch, a container, a cloud API",
    mechanism: "the command is run without a shell, with PATH and HOME and no other variable, in the folder in which the run \
        was started; what it leaves running in its process group is killed",
    privileges: "those of the command; a policy may forbid it",
    dose: "its exit code; with `check`, what that says just before the undo",
    undo: "the undo command, by the tool, its guardian or a rollback; it may run twice, or without the command",
    remains: "whatever the undo command leaves: chaos knows its exit code, and what `check` says of it",
    targets: &[TargetKind::Host],
    needs: Need::Programs,
    example: &[
        "command: [touch, /tmp/maintenance]",
        "undo: [rm, -f, /tmp/maintenance]",
        "check: [test, -e, /tmp/maintenance]",
    ],
};

pub(super) fn plan(fault: &FaultSpec, settings: &ProcessExec) -> FaultPlan {
    let line = |words: &Vec<String>| CommandLine { words: words.clone(), timeout: settings.within };
    let (name, check) = (fault.name.clone(), settings.check.as_ref().map(line));
    FaultPlan {
        meter: Meter::Command { check: check.clone() },
        needs: "whatever the command needs",
        steps: vec![Step {
            apply: Act::Run { name: name.clone(), command: line(&settings.command), check: check.clone() },
            undo: Undo::Run { name: name.clone(), command: line(&settings.undo) },
            verify: Check::NotInPlace { name, check },
        }],
    }
}

pub(super) fn dose(settings: &ProcessExec, in_place: &InPlace) -> Dose {
    let (asked, measured) = match in_place {
        InPlace::Ended => ("exit code 0", "exit code 0, and nothing else is known".to_owned()),
        InPlace::Yes => ("in place", "in place".to_owned()),
        InPlace::No => ("in place", "not in place".to_owned()),
        InPlace::Unknown(why) => ("in place", format!("not known: {why}")),
    };
    let bit = matches!(in_place, InPlace::Ended | InPlace::Yes);
    let program = settings.command.first().map_or("", String::as_str);
    let part = words::part(program, asked, &measured, f64::from(u8::from(bit)));
    Dose { parts: vec![part], ineffective: (!bit).then(|| format!("just before the undo its check says: {measured}")) }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::InPlace;
    use crate::model::fault::{FaultKind, ProcessExec, Target};
    use crate::model::units::Timespan;

    fn settings() -> ProcessExec {
        let words = |text: &str| text.split(' ').map(ToOwned::to_owned).collect();
        let check = Some(words("test -e /flag"));
        ProcessExec { command: words("touch /flag"), undo: words("rm -f /flag"), check, within: Timespan::seconds(1) }
    }

    #[test]
    fn is_one_command_that_another_one_undoes_and_a_third_one_checks() {
        conforms(&fault(FaultKind::ProcessExec(settings()), Target::Host));
        conforms(&fault(FaultKind::ProcessExec(ProcessExec { check: None, ..settings() }), Target::Host));
    }

    #[test]
    fn what_its_check_denies_or_cannot_tell_was_not_effective() {
        for in_place in [InPlace::No, InPlace::Unknown("exit code 2".into())] {
            assert!(dose(&settings(), &in_place).ineffective.is_some(), "{in_place:?}");
        }
        assert_eq!(dose(&settings(), &InPlace::Yes).ineffective, None);
        let told = dose(&settings(), &InPlace::Ended);
        assert_eq!(told.ineffective, None);
        assert!(told.parts[0].measured.contains("nothing else is known"), "{told:?}");
    }
}
