//! What is left of a run, as tools that are not ours see it: `ps`, `ss` and `find`.

use std::process::Command;

use crate::run::Home;

/// What tools see of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its processes.
    pub processes: Vec<Process>,
    /// Which of its ports listen.
    pub listening: Vec<u16>,
    /// Files outside its state folder.
    pub files: Vec<String>,
}

/// A line of `ps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub group: i32,
    /// `T` is stopped.
    pub state: char,
    pub command: String,
}

/// Looks.
pub fn look(home: &Home, ports: &[u16]) -> Seen {
    Seen { processes: processes(home), listening: listening(ports), files: files(home) }
}

/// Every process that has the mark of the run in its environment.
pub fn processes(home: &Home) -> Vec<Process> {
    let mark = home.mark();
    let all = output_of("ps", &["axeww", "-o", "pid=,pgid=,stat=,args="]);
    all.lines().filter(|line| line.split(' ').any(|word| word == mark)).map(process).collect()
}

fn process(line: &str) -> Process {
    let mut words = line.split_whitespace();
    let mut word = || words.next().expect("a column");
    let (pid, group, state) = (word(), word(), word());
    Process {
        pid: pid.parse().expect("a pid"),
        group: group.parse().expect("a group"),
        state: state.chars().next().expect("a state"),
        command: words.take(3).collect::<Vec<_>>().join(" "),
    }
}

fn listening(ports: &[u16]) -> Vec<u16> {
    let all = output_of("ss", &["-Hltn"]);
    let locals = all.lines().filter_map(|line| line.split_whitespace().nth(3));
    let mut listening: Vec<u16> = locals.filter_map(|local| local.rsplit(':').next()?.parse().ok()).collect();
    listening.retain(|port| ports.contains(port));
    listening.sort_unstable();
    listening
}

fn files(home: &Home) -> Vec<String> {
    let work = home.path("work");
    let found = output_of("find", &[work.to_str().expect("a plain path"), "-mindepth", "1"]);
    found.lines().map(ToOwned::to_owned).collect()
}

#[allow(clippy::disallowed_methods, reason = "tools that are not ours are started without ours")]
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
