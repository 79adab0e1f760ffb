//! The systemd unit that rolls back at boot what the last boot left.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::report::doctor::{Finding, Section, State};

/// Where the unit belongs.
const PLACE: &str = "/etc/systemd/system/chaos-rollback.service";

/// The path of this binary, which the unit starts.
pub(super) fn this_binary() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot tell where this binary is")
}

/// The unit. It runs as the user whose runs it rolls back: root must not do what a file says that others may write.
pub(super) fn text(binary: &Path, state: &Path, user: u32) -> anyhow::Result<String> {
    let in_command = |path| word(path).map(|word| word.replace('$', "$$"));
    let (binary, folder, state) = (in_command(binary)?, in_command(state)?, word(state)?);
    let user = if user == 0 { String::new() } else { format!("User={user}\n") };
    Ok(format!(
        "# Save as {PLACE}, then:
#   systemctl daemon-reload && systemctl enable chaos-rollback.service
[Unit]
Description=Put back what killed chaos runs left on this machine
After=local-fs.target
Before=multi-user.target
RequiresMountsFor={state}

[Service]
Type=oneshot
{user}ExecStart={binary} rollback --all --state-dir {folder}

[Install]
WantedBy=multi-user.target
"
    ))
}

/// A path as a word of a unit: quoted where need be, and nothing in it is taken for a specifier.
fn word(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    let text = text.with_context(|| format!("{} cannot be named in a unit", path.display()))?;
    let text = text.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%".contains(c);
    Ok(if text.chars().all(plain) { text } else { format!("\"{text}\"") })
}

/// Whether this machine rolls back at boot.
pub(super) fn finding() -> Finding {
    judge(Path::new("/run/systemd/system").is_dir(), Path::new(PLACE).exists())
}

fn judge(systemd: bool, installed: bool) -> Finding {
    let about = |why: &str| Finding::ok(Section::Safety, "rollback at boot", why);
    match (systemd, installed) {
        (_, true) => about(&format!("{PLACE} is there")),
        (false, false) => about("systemd does not run here; let the boot run this").command("chaos rollback --all"),
        (true, false) => about("after a power cut nobody rolls back what outlives a restart before the next run")
            .but(State::Warning, format!("save the unit as {PLACE} and enable it (as root)"))
            .command(format!(
                "chaos doctor --print-unit > {PLACE} && systemctl daemon-reload && systemctl enable chaos-rollback.service"
            )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{judge, text, word};
    use crate::report::doctor::State;

    #[test]
    fn the_unit_names_this_binary_and_this_folder_and_runs_as_their_user() {
        let unit = |user| text(Path::new("/opt/chaos"), Path::new("/home/a b/state"), user).expect("plain paths");
        assert!(
            unit(0).contains("\nExecStart=/opt/chaos rollback --all --state-dir \"/home/a b/state\"\n"),
            "{}",
            unit(0)
        );
        assert!(!unit(0).contains("User="));
        assert!(unit(1000).contains("\nUser=1000\nExecStart="));
    }

    #[test]
    fn nothing_in_a_path_is_taken_for_something_else() {
        let written = |path: &str| word(Path::new(path)).expect("can be written");
        assert_eq!(written("/a/100%"), "/a/100%%");
        assert_eq!(written(r#"/a "b" $HOME"#), r#""/a \"b\" $HOME""#);
        let unit = text(Path::new("/$HOME/chaos"), Path::new("/$a"), 0).expect("plain paths");
        assert!(unit.contains("ExecStart=\"/$$HOME/chaos\" rollback --all --state-dir \"/$$a\"\n"), "{unit}");
        assert!(word(Path::new("/a\nExecStart=/bin/sh")).is_err());
    }

    #[test]
    fn only_a_machine_with_systemd_and_without_the_unit_is_told_to_install_it() {
        assert_eq!(judge(true, false).state, State::Warning);
        assert_eq!((judge(true, true).state, judge(false, false).state), (State::Ok, State::Ok));
    }
}
