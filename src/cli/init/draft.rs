//! The experiment as text, with a remark on everything that a newcomer may want to change.

use std::fmt::Write as _;
use std::time::Duration;

use super::path::Way;
use super::template::Template;
use crate::diagnostic::clean::shell_word;
use crate::model::fault::TargetKind;
use crate::model::units::Timespan;

/// Samples that decide on `success_rate >= 99%`, with some to spare for what gets lost.
const ENOUGH: u32 = 500;

/// Name, URL and headers of what is asked.
pub(super) type Probe = (String, String, Vec<(String, String)>);

/// What is written.
pub(super) struct Draft<'a> {
    /// The file's name, for the commands in it.
    pub file: &'a str,
    /// What is broken, and how.
    pub template: Template,
    /// How requests go.
    pub way: &'a Way,
    /// What is asked; never empty.
    pub probes: Vec<Probe>,
    /// What could not be asked.
    pub skipped: &'a [(String, String)],
    /// The command of the server, where the experiment starts it.
    pub command: &'a [String],
}

/// How often each probe is sent a second, and how long the fault lasts so that the samples are enough.
fn pace(probes: usize) -> (u32, Timespan) {
    let rate = (50 / u32::try_from(probes.max(1)).unwrap_or(50)).clamp(5, 50);
    (rate, Timespan(Duration::from_secs(u64::from(ENOUGH.div_ceil(rate).max(10)))))
}

impl Draft<'_> {
    /// All of it.
    pub fn text(&self) -> String {
        let (rate, lasts) = pace(self.probes.len());
        let mut text = self.head();
        self.services(&mut text);
        self.proxies(&mut text);
        self.steady_state(&mut text, rate);
        self.faults(&mut text, lasts);
        self.limits(&mut text, lasts);
        text
    }

    /// What is broken, in words.
    fn subject(&self) -> String {
        match (self.template.target(), &self.way.proxy) {
            (TargetKind::Proxy, Some(proxy)) => proxy.upstream.clone(),
            (TargetKind::Host, _) => "this machine".to_owned(),
            _ => "the server".to_owned(),
        }
    }

    fn head(&self) -> String {
        let file = shell_word(self.file);
        let word = self.template.about().word;
        format!(
            "# Written by `chaos init`. Change what you like: `chaos faults {word}` and `chaos probes http` tell every setting.\n\
             #\n\
             #   chaos validate {file}\n\
             #   chaos plan {file}             what is done, how it is undone, what it can show\n\
             #   chaos run --dry-run {file}    watches, and breaks nothing\n\
             #   chaos run {file} --report report.html\n\
             \n\
             name: {}\n\n",
            yaml(&self.template.belief(&self.subject()))
        )
    }

    fn services(&self, text: &mut String) {
        if self.command.is_empty() {
            return;
        }
        let words: Vec<String> = self.command.iter().map(|word| json(word)).collect();
        let ready = self.probes.first().map_or("", |(_, url, _)| url);
        _ = write!(
            text,
            "# Started for the run and stopped after it: a fault on a process hits only what the experiment started.\n\
             services:\n  - name: server\n    command: [{}]\n    ready: {}\n    restart: true                  # \
             started again when it ends by itself\n\n",
            words.join(", "),
            yaml(ready)
        );
    }

    fn proxies(&self, text: &mut String) {
        let Some(proxy) = &self.way.proxy else { return };
        let whom = if self.way.through {
            "# The fault acts in this proxy. The probe below goes through it, so it meets the fault as a caller does. To let a\n\
             # real caller meet it, point that caller at the address of `listen` while the run lasts.\n"
                .to_owned()
        } else {
            format!(
                "# The fault acts in this proxy. TO DO: whatever calls {} must be pointed at {} instead, before the run\n\
                 # (an environment variable, a line in its configuration): what does not pass here meets no fault.\n",
                proxy.upstream, proxy.listen
            )
        };
        _ = write!(
            text,
            "{whom}proxies:\n  - {{ name: path, listen: {}, upstream: {} }}\n\n",
            json(&proxy.listen.to_string()),
            json(&proxy.upstream)
        );
    }

    fn steady_state(&self, text: &mut String, rate: u32) {
        text.push_str("# The hypothesis: this must hold before, during and after the fault.\nsteady_state:\n");
        for (name, url, headers) in &self.probes {
            _ = write!(text, "  - name: {}\n    probe: http\n    url: {}\n", yaml(name), yaml(url));
            let host = self.way.host.iter().map(|host| ("host".to_owned(), host.clone()));
            for (place, (name, value)) in host.chain(headers.iter().cloned()).enumerate() {
                let key = if place == 0 { "    headers:\n" } else { "" };
                _ = writeln!(text, "{key}      {}: {}", json(&name), json(&value));
            }
            _ = writeln!(text, "    rate: {:25} # on a schedule that waits for no answer", format!("{rate}/s"));
            text.push_str("    timeout: 2s                     # then it counts as an error\n    expect:\n");
            for (line, remark) in self.template.expect {
                _ = writeln!(text, "      - {line:30} # {remark}");
            }
        }
        for (path, why) in self.skipped {
            _ = writeln!(text, "# skipped: {}: {why}", crate::diagnostic::clean::clean(path));
        }
        text.push('\n');
    }

    fn faults(&self, text: &mut String, lasts: Timespan) {
        let about = self.template.about();
        _ = writeln!(text, "# What is broken: {}.", about.summary);
        if self.template.needs_help && self.alone() {
            text.push_str(
                "# Nothing stands between the probe and this fault that could help (a retry, a fallback), so the run ends with\n\
                 # exit code 1 or 4: it shows how the trouble looks and how long recovery takes.\n",
            );
        }
        let target = match self.template.target() {
            TargetKind::Proxy => "{ proxy: path }",
            TargetKind::Process => "{ process: { service: server } }",
            TargetKind::Host => "{ host: local }",
        };
        _ = write!(text, "faults:\n  - fault: {}\n    target: {target}\n", about.word);
        for (line, remark) in self.template.settings {
            _ = writeln!(text, "    {line:32}# {remark}");
        }
        _ = write!(text, "    duration: {lasts}\n\n");
    }

    /// Whether the fault reaches the probe as it is.
    fn alone(&self) -> bool {
        self.way.through || self.template.target() == TargetKind::Process
    }

    fn limits(&self, text: &mut String, lasts: Timespan) {
        let name = self.probes.first().map_or("answers", |(name, ..)| name);
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let subject = if plain { name.to_owned() } else { json(name) };
        // What does not act in a proxy may begin late on a busy machine.
        let room = if self.template.target() == TargetKind::Proxy { 0 } else { 4 };
        let most = Timespan(lasts.0 + Timespan::seconds(room).0);
        _ = write!(
            text,
            "# The limits of the harm: everything is put back after this time, whatever happens.\n\
             blast_radius: {{ duration: {most} }}\n\
             stop_conditions:                  # ends the fault at once: harm that nobody needs to watch\n  - {}\n\n\
             baseline: {:23} # the steady state is measured first\n\
             recovery: {{ within: 15s }}         # how soon all must be well again: write your own objective\n",
            yaml(&format!("{subject}.error_rate > 50%")),
            Timespan(lasts.0 * 2).to_string()
        );
    }
}

/// A text as JSON writes it, which YAML reads the same. A `$` that the person wrote stays one.
fn json(text: &str) -> String {
    serde_json::Value::String(text.replace('$', "$$")).to_string()
}

/// The same without quotes where a block of YAML needs none.
fn yaml(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " _./:-?=&%~+>,;".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let misread = text.contains(": ") || text.ends_with([':', ' ']) || ["true", "false", "null"].contains(&text);
    if begins && !misread && text.chars().all(plain) { text.to_owned() } else { json(text) }
}

#[cfg(test)]
mod tests {
    use super::{pace, yaml};
    use crate::model::units::Timespan;

    #[test]
    fn the_samples_of_a_fault_are_enough_to_decide_however_many_probes_there_are() {
        for probes in [1, 3, 10, 100] {
            let (rate, lasts) = pace(probes);
            assert!(f64::from(rate) * lasts.0.as_secs_f64() >= 381.0 * 1.2, "{probes}: {rate}/s for {lasts}");
            assert!(lasts <= Timespan::seconds(100), "{probes}: {lasts}");
        }
    }

    #[test]
    fn texts_are_quoted_where_they_would_be_misread() {
        for plain in ["answers stay fast", "http://127.0.0.1:8080/a?b=c&d=%20", "a.error_rate > 50%"] {
            assert_eq!(yaml(plain), plain);
        }
        for (text, quoted) in
            [("a: b", "\"a: b\""), ("true", "\"true\""), ("5", "\"5\""), ("a #b", "\"a #b\""), ("${X}", "\"$${X}\"")]
        {
            assert_eq!(yaml(text), quoted);
        }
    }
}
