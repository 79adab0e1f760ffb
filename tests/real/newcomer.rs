//! A newcomer with a local nginx and an empty folder: `init`, `validate`, `plan`, `run --dry-run`, `run`, a report to read.
//! No file is edited by hand, and nothing but what was asked for is written.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::run::{Home, Said, free_ports};
use crate::{binary, installed, until};

/// A nginx that nobody of ours started; it ends when this is dropped.
struct Nginx(Child);

impl Nginx {
    #[allow(clippy::disallowed_methods, reason = "the server was there before the newcomer came")]
    fn start(home: &Home, port: u16) -> Self {
        let paper = home.path("paper");
        let temporary = |name| format!("{name}_temp_path {};", paper.join(name).display());
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(temporary).concat();
        let text = format!(
            "daemon off; pid {}; worker_processes 1; events {{ worker_connections 256; }} http {{ {temporary} access_log off;
             server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"hello\\n\"; }} }} }}",
            paper.join("nginx.pid").display()
        );
        let configuration = home.write("nginx.conf", &text);
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(&paper).arg("-c").arg(configuration).args(["-e", "stderr"]);
        Self(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("nginx starts"))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its master ends its worker; one that has ended already cannot be told.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// The binary in the newcomer's folder.
#[allow(clippy::disallowed_methods, reason = "the binary under test is started as a stranger would")]
fn chaos(home: &Home, words: &[&str]) -> Said {
    let mut command = Command::new(binary());
    command.args(words).current_dir(home.path("work")).env("HOME", home.path("paper"));
    command.env("XDG_STATE_HOME", home.path("state")).env("XDG_RUNTIME_DIR", home.path("paper"));
    command.env("CHAOS_LOCK_DIR", home.locks());
    let output = command.stdin(Stdio::null()).output().expect("starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

#[tokio::test]
async fn an_empty_folder_leads_to_a_report_and_no_file_is_edited_by_hand() {
    let _busy = crate::busy::busy();
    if !installed("nginx") {
        return;
    }
    let [port] = free_ports();
    let home = Home::new();
    let _nginx = Nginx::start(&home, port);
    until("nginx answers", || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;

    let url = format!("http://127.0.0.1:{port}/");
    let init = chaos(&home, &["init", "--url", &url, "--break", "latency"]);
    assert_eq!(init.code, Some(0), "{init:?}");
    assert!(init.stderr.contains("the probe goes through it"), "{init:?}");
    for words in [&["validate", "chaos.yaml"][..], &["plan", "chaos.yaml"]] {
        let said = chaos(&home, words);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    }
    let watched = chaos(&home, &["run", "--dry-run", "chaos.yaml", "--output", "json", "--quiet"]);
    assert_eq!(watched.code, Some(0), "{watched:?}");

    let run = chaos(&home, &["run", "chaos.yaml", "--report", "report.html", "--output", "json", "--quiet"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let p95 = |phase: &str| report["probes"][0][phase]["p95"]["seconds"].as_f64().expect("measured");
    // The fault reached the probe, so the run says something.
    assert!(p95("fault") - p95("baseline") > 0.15, "{} -> {}", p95("baseline"), p95("fault"));
    assert_eq!(report["doses"][0]["status"], "effective");
    assert_eq!(report["recovery"]["status"], "recovered");
    let results: Vec<&Value> =
        report["probes"][0]["expectations"].as_array().expect("a list").iter().map(|one| &one["result"]).collect();
    assert_eq!(results, ["held", "held"]);
    let html = std::fs::read_to_string(home.path("work").join("report.html")).expect("a report");
    assert!(html.contains("<html") && html.contains("answers stay fast when"), "{}", html.len());

    let files = std::fs::read_dir(home.path("work")).expect("lists").map(|entry| entry.expect("an entry").file_name());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert_eq!(files, ["chaos.yaml", "report.html"]);
}
