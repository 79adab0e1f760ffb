//! `chaos init`: from a URL and a word for what breaks to an experiment that validates and runs.

mod ask;
mod draft;
mod openapi;
mod path;
mod template;

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use reqwest::Url;

use self::draft::{Draft, Probe};
use self::openapi::Asked;
use self::path::Way;
use self::template::Template;
use super::arguments::{Break, InitArguments};
use crate::diagnostic::clean::{clean, shell_word};
use crate::host::{files, output};
use crate::model::fault::TargetKind;
use crate::spec::{Source, Variables, read};

/// The file that is written when none is named.
const FILE: &str = "chaos.yaml";
/// As many probes as an experiment is filled with.
const MOST_PROBES: usize = 50;
/// More is no description of an interface.
const MOST_BYTES: u64 = 16 << 20;

pub(super) fn init(arguments: &InitArguments) -> anyhow::Result<u8> {
    if arguments.list {
        output::stdout(&list());
        return Ok(0);
    }
    let file = arguments.file.as_deref().unwrap_or(Path::new(FILE));
    let to_stdout = arguments.stdout || file == Path::new("-");
    let name = if to_stdout { FILE.to_owned() } else { file.display().to_string() };
    // Before anything is asked: an answer is work.
    ensure!(to_stdout || !file.exists(), "{name} is there already, and is not overwritten: name another file");
    let document = arguments.from_openapi.as_deref().map(document).transpose()?;
    let wish = wish(arguments, document.as_ref())?;
    let way = path::way(wish.url, wish.template.target(), wish.dependency.as_deref(), arguments.listen)?;
    let (probes, skipped) = probes(&way.url, document)?;
    let (template, command) = (wish.template, wish.command.as_slice());
    let draft = Draft { file: &name, template, way: &way, probes, skipped: &skipped, command };
    let text = draft.text();
    if let Err(told) = read(Source { name: &name, text: &text }, &Variables::default()) {
        bail!("with these words no valid experiment can be written\n{}", told.render(false));
    }
    if to_stdout {
        output::stdout(&text);
    } else {
        write_new(file, &text).with_context(|| format!("cannot write {name}"))?;
    }
    tell(&name, to_stdout, &way, &skipped);
    Ok(0)
}

/// What is wanted, once everything is known.
struct Wish {
    url: Url,
    template: Template,
    dependency: Option<String>,
    command: Vec<String>,
}

/// From the flags, and where somebody can be asked, from the answers.
fn wish(arguments: &InitArguments, document: Option<&Asked>) -> anyhow::Result<Wish> {
    let port = arguments.port.map(|port| port.to_string());
    let given = arguments.url.clone().or(port).or_else(|| document.and_then(|document| document.server.clone()));
    let asks = ask::possible() && (given.is_none() || arguments.breaks.is_none());
    let url = match given {
        Some(url) => url,
        None if asks => {
            ask::line("What must keep working? A URL, or a port on this machine [8080]:").unwrap_or("8080".into())
        }
        None => bail!("say what must keep working: `--url http://127.0.0.1:8080/` or `--port 8080`"),
    };
    let url = path::url(&url)?;
    let case = match arguments.breaks {
        Some(case) => case,
        None if asks => ask::case().context("nothing was chosen")?,
        None => bail!("say what shall break: `--break latency`; `chaos init --list` tells what there is"),
    };
    let template = Template::of(case);
    let target = template.target();
    let mut dependency = arguments.dependency.clone();
    if asks && dependency.is_none() && target == TargetKind::Proxy {
        dependency = ask::line(
            "What breaks? HOST:PORT of something that it depends on, or nothing for the way to that URL itself []:",
        );
    }
    let mut command = arguments.command.clone();
    if asks && command.is_empty() && target == TargetKind::Process {
        let line = ask::line("Which command starts it, in the foreground? Words without quotes:").unwrap_or_default();
        command = line.split_whitespace().map(str::to_owned).collect();
    }
    ensure!(
        (target == TargetKind::Process) != command.is_empty(),
        match target {
            TargetKind::Process =>
                "only a process that the experiment starts is hit: end with `-- COMMAND ...`, which runs in the foreground",
            _ => "a command is only needed to break a process (`--break kill`, `--break pause`)",
        }
    );
    Ok(Wish { url, template, dependency, command })
}

/// `--from-openapi`.
fn document(file: &Path) -> anyhow::Result<Asked> {
    let trouble = || format!("cannot read {}", file.display());
    let bytes = files::read_start(file, MOST_BYTES + 1).with_context(trouble)?;
    ensure!(bytes.len() as u64 <= MOST_BYTES, "{} has more than 16 MiB", file.display());
    let text = String::from_utf8(bytes).with_context(trouble)?;
    let asked = openapi::read(&text).with_context(trouble)?;
    if asked.gets.is_empty() {
        let skipped: Vec<String> =
            asked.skipped.iter().map(|(path, why)| format!("\n  {}: {why}", clean(path))).collect();
        bail!("{} has no GET path that can be asked{}", file.display(), skipped.concat());
    }
    Ok(asked)
}

type Skipped = Vec<(String, String)>;

/// What is asked at this URL, or below it; and what is not.
fn probes(url: &Url, document: Option<Asked>) -> anyhow::Result<(Vec<Probe>, Skipped)> {
    let Some(Asked { gets, mut skipped, .. }) = document else {
        return Ok((vec![("answers".to_owned(), url.to_string(), Vec::new())], Vec::new()));
    };
    let base = url.path().trim_end_matches('/').to_owned();
    let mut probes = Vec::new();
    for get in gets {
        if probes.len() == MOST_PROBES {
            skipped.push((get.name, format!("{MOST_PROBES} probes are enough for one experiment")));
            continue;
        }
        let (path, query) =
            get.path.split_once('?').map_or((get.path.as_str(), None), |(path, query)| (path, Some(query)));
        let mut asked = url.clone();
        asked.set_path(&format!("{base}{path}"));
        asked.set_query(query);
        probes.push((name_of(&get.name), asked.to_string(), get.headers));
    }
    Ok((probes, skipped))
}

/// A path as the name of a probe: short, and one line.
fn name_of(path: &str) -> String {
    let name = clean(&format!("GET {path}"));
    name.chars().take(80).collect()
}

/// Never over something that is there.
fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut file = files::create_new(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What to do now.
fn tell(name: &str, to_stdout: bool, way: &Way, skipped: &[(String, String)]) {
    let mut told = String::new();
    for (path, why) in skipped {
        told.push_str(&format!("skipped {}: {why}\n", clean(path)));
    }
    match &way.proxy {
        Some(proxy) if way.through => told.push_str(&format!(
            "The fault acts in a proxy at {}, and the probe goes through it. Real callers of {} meet the fault when they are \
             pointed at {}.\n",
            proxy.listen, proxy.upstream, proxy.listen
        )),
        Some(proxy) => told.push_str(&format!(
            "TO DO: point whatever calls {} at {} before the run: the fault acts in the proxy there.\n",
            proxy.upstream, proxy.listen
        )),
        None => {}
    }
    if !to_stdout {
        let file = shell_word(name);
        told.push_str(&format!(
            "Written to {file}. Next: chaos validate {file}, chaos plan {file}, chaos run {file}\n"
        ));
    }
    output::stderr(&told);
}

/// The common cases, a line each.
fn list() -> String {
    let cases =
        Break::value_variants().iter().filter_map(|case| Some((case.to_possible_value()?, Template::of(*case))));
    let line = |(value, template): (clap::builder::PossibleValue, Template)| {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        format!("  {:12} {help} ({})\n", value.get_name(), template.about().word)
    };
    cases.map(line).collect()
}
