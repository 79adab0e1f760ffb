//! docs/TUTORIAL.md, executed as a stranger would: every file written, every command run, in order, in one empty folder.
//!
//! A command ends with 0 unless it says `# ends with N`. Lines shown below it must be in what it prints; `...` stands for
//! lines that are left out. Only the addresses differ, by variables of the environment, so that tests can go side by side.

use crate::documents::blocks;
use crate::ports::free_ports;
use crate::slots::{self, Company};
use crate::support::{Done, Sandbox, committed};

/// One line of a session.
struct Typed {
    command: String,
    code: i32,
    shown: Vec<String>,
}

fn typed(session: &str) -> Vec<Typed> {
    let mut all: Vec<Typed> = Vec::new();
    for line in session.lines() {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => {
                let code = command.rsplit_once("# ends with ").and_then(|(_, code)| code.trim().parse().ok());
                all.push(Typed { command: command.to_owned(), code: code.unwrap_or(0), shown: Vec::new() });
            }
            (None, Some(last)) if !line.trim().is_empty() && line.trim() != "..." => last.shown.push(squeezed(line)),
            (None, _) => {}
        }
    }
    all
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is not as the tutorial says; nothing when all is.
fn problem(typed: &Typed, done: &Done) -> Option<String> {
    let printed: Vec<String> = done.stdout.lines().chain(done.stderr.lines()).map(squeezed).collect();
    let missing = typed.shown.iter().find(|line| !printed.contains(line));
    match (done.code == Some(typed.code), missing) {
        (true, None) => None,
        (true, Some(line)) => Some(format!("`{line}` is not in\n{done}")),
        (false, _) => Some(format!("{} does not end with {}\n{done}", typed.command, typed.code)),
    }
}

#[test]
fn the_tutorial_can_be_followed_from_an_empty_folder() {
    let sandbox = Sandbox::new();
    let [gateway, retriever, generator, proxy] = free_ports();
    let path = std::path::Path::new(crate::binary::chaos()).parent().expect("a folder").display().to_string();
    let path = format!("{path}:{}", std::env::var("PATH").unwrap_or_default());
    let address = |port: u16| format!("127.0.0.1:{port}");
    let shell = |command: &str| {
        let shell = sandbox.program("sh", ["-c", command]).env("PATH", &path);
        let shell = shell.env("GATEWAY", &address(gateway)).env("RETRIEVER", &address(retriever));
        shell.env("GENERATOR", &address(generator)).env("PROXY", &address(proxy)).done()
    };
    let _slot = slots::take(Company::SideBySide);
    let mut commands = 0;
    for block in blocks(&committed("docs/TUTORIAL.md")).0 {
        if let Some((_, name)) = block.language.split_once(" file=") {
            sandbox.write(name, &block.text);
        }
        if block.language != "console run" {
            continue;
        }
        for typed in typed(&block.text) {
            commands += 1;
            // A measurement that other tests disturbed is taken again, once.
            let wrong = problem(&typed, &shell(&typed.command)).and_then(|_| problem(&typed, &shell(&typed.command)));
            assert!(wrong.is_none(), "docs/TUTORIAL.md, block at line {}: {}", block.line, wrong.unwrap_or_default());
        }
    }
    assert!(commands >= 10, "only {commands} commands");
    sandbox.assert_nothing_is_left(&[gateway, retriever, generator, proxy]);
}
