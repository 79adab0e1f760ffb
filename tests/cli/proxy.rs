//! `chaos proxy`: the data plane as a server of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};

use crate::ports::{free_ports, is_free, occupy};
use crate::support::Sandbox;

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n").expect("asks");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_proxies_of_a_file_are_there_from_the_start_and_gone_at_the_end() {
    let (sandbox, [api, front]) = (Sandbox::new(), free_ports::<2>());
    let config = format!(
        r#"[{{"name": "redis", "listen": "127.0.0.1:{front}", "upstream": "127.0.0.1:1", "toxics": [{{"type": "timeout"}}]}}]"#
    );
    let config = sandbox.write("proxies.json", config);
    let listen = format!("127.0.0.1:{api}");
    let words = ["proxy", "--listen", &listen, "--seed", "7", "--config", config.to_str().expect("plain")];
    let mut server = sandbox.chaos(words).start();
    let stdout = BufReader::new(server.0.stdout.take().expect("piped"));
    let said: Vec<String> = stdout.lines().take(2).map(|line| line.expect("a line")).collect();
    let expected =
        [format!("proxy redis listens on 127.0.0.1:{front}"), format!("control listens on http://{listen} (seed 7)")];
    assert_eq!(said, expected);
    let shown = get(api, "/proxies/redis");
    assert!(shown.starts_with("HTTP/1.1 200 ") && shown.contains("timeout_downstream"), "{shown}");
    kill_process(Pid::from_child(&server.0), Signal::TERM).expect("signals");
    assert_eq!(server.0.wait().expect("ends").code(), Some(0));
    assert!(is_free(api) && is_free(front));
}

#[test]
fn what_cannot_be_served_is_refused_with_its_reason() {
    let sandbox = Sandbox::new();
    let [port] = free_ports::<1>();
    let _holder = occupy(port);
    let listen = format!("127.0.0.1:{port}");
    sandbox
        .chaos(["proxy", "--listen", &listen])
        .done()
        .exits(2)
        .complains(&listen)
        .complains("choose another --listen");
    let broken = sandbox.write("broken.json", "[{\"name\": \"a\"}]");
    let broken = broken.to_str().expect("plain");
    let complaint = "missing required field: upstream at proxy 1: nothing was started";
    sandbox.chaos(["proxy", "--listen", "127.0.0.1:0", "--config", broken]).done().exits(2).complains(complaint);
    let nowhere = ["proxy", "--listen", "127.0.0.1:0", "--config", "/nowhere/proxies.json"];
    sandbox.chaos(nowhere).done().exits(2).complains("cannot read /nowhere/proxies.json");
}
