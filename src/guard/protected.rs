//! Processes that no fault ever hits, whatever an experiment or a policy says. Judged from what a process is just before it
//! would be hit, so that it does not matter how it became a target.

use crate::host::process::{Profile, Relatives};

/// What serves the session that we are watched from; the second and third name since OpenSSH 9.8 and 10.
const REMOTE_SHELLS: [&str; 3] = ["sshd", "sshd-session", "sshd-auth"];

/// Why this process must not be hit; none when it may.
pub fn why(process: &Profile, us: &Relatives) -> Option<&'static str> {
    if process.pid == 1 {
        Some("it is the first process: everything on this machine ends with it")
    } else if process.kernel_thread {
        Some("it is a part of the kernel")
    } else if process.pid == us.pid {
        Some("it is chaos itself")
    } else if us.guardians.contains(&process.pid) {
        Some("it is the guardian, which puts everything back if chaos dies")
    } else if us.ancestors.contains(&process.pid) {
        Some("chaos was started from it")
    } else if REMOTE_SHELLS.contains(&process.name.as_str()) && !process.ancestors.contains(&us.pid) {
        Some("it may be the remote shell that this machine is reached by")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::why;
    use crate::host::process::{Profile, Relatives};

    const US: i32 = 500;

    fn us() -> Relatives {
        Relatives { pid: US, ancestors: vec![400, 300, 1], guardians: vec![501] }
    }

    fn process(pid: i32, name: &str, ancestors: &[i32]) -> Profile {
        Profile {
            pid,
            ancestors: ancestors.to_vec(),
            name: name.into(),
            kernel_thread: false,
            uid: 0,
            cgroups: vec!["/".into()],
        }
    }

    #[test]
    fn nobody_hits_the_hand_that_holds_the_machine() {
        let kernel = Profile { kernel_thread: true, ..process(42, "kworker/0:1", &[2]) };
        let protected = [
            process(1, "systemd", &[]),
            kernel,
            process(US, "chaos", &[400, 300, 1]),
            process(501, "chaos", &[US, 400, 300, 1]),
            process(400, "bash", &[300, 1]),
            process(300, "sshd", &[1]),
            process(77, "sshd", &[1]),
            process(78, "sshd-session", &[77, 1]),
        ];
        for process in protected {
            assert!(why(&process, &us()).is_some(), "{process:?}");
        }
    }

    #[test]
    fn a_service_of_ours_and_a_stranger_may_be_hit() {
        for process in [process(600, "demo", &[US, 400]), process(601, "sshd", &[US, 400]), process(700, "nginx", &[1])]
        {
            assert_eq!(why(&process, &us()), None, "{process:?}");
        }
    }
}
