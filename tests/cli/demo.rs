//! `chaos demo`: the embedded system under test, on its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};

use crate::ports::{free_ports, is_free, occupy};
use crate::support::Sandbox;

/// The demo's words for three ports.
fn words([gateway, retriever, generator]: [u16; 3]) -> [String; 7] {
    let at = |port: u16| format!("127.0.0.1:{port}");
    let [gateway, retriever, generator] = [gateway, retriever, generator].map(at);
    let flags =
        ["demo", "--gateway-listen", &gateway, "--retriever-listen", &retriever, "--generator-listen", &generator];
    flags.map(str::to_owned)
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n").expect("asks");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_demo_says_where_it_listens_answers_and_ends_well_on_a_signal() {
    let (sandbox, ports) = (Sandbox::new(), free_ports::<3>());
    let mut demo = sandbox.chaos(words(ports)).start();
    let stdout = BufReader::new(demo.0.stdout.take().expect("piped"));
    let said: Vec<String> = stdout.lines().take(3).map(|line| line.expect("a line")).collect();
    let expected = ["gateway", "retriever", "generator"].into_iter().zip(ports);
    let expected = expected.map(|(name, port)| format!("{name} listens on http://127.0.0.1:{port}"));
    assert_eq!(said, expected.collect::<Vec<_>>());
    let answer = get(ports[0], "/ask?q=chaos");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    kill_process(Pid::from_child(&demo.0), Signal::TERM).expect("signals");
    assert_eq!(demo.0.wait().expect("ends").code(), Some(0));
    assert!(ports.into_iter().all(is_free));
    assert!(sandbox.files().is_empty(), "{:?}", sandbox.files());
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_try() {
    let ports = free_ports::<3>();
    let _holder = occupy(ports[2]);
    let part = format!("generator on 127.0.0.1:{}: Address already in use", ports[2]);
    Sandbox::new().chaos(words(ports)).done().exits(2).complains(&part).complains("choose another port");
}

#[test]
fn demo_settings_that_cannot_be_are_refused() {
    let cases: [(&[&str], &str); 9] = [
        (&["--timeout", "150"], "150"),
        (&["--attempts", "0"], "1..=100"),
        (&["--serve", "database"], "possible values: gateway, retriever, generator"),
        (&["--breaker-cooldown", "1s"], "--breaker-failures"),
        (&["--stuck-breaker"], "--breaker-failures"),
        (&["--queue", "5"], "--pool"),
        (&["--no-timeout", "--timeout", "1s"], "cannot be used with"),
        (&["--health", "deeper"], "possible values: shallow, deep"),
        (&["--gateway-listen", "localhost"], "invalid socket address"),
    ];
    for (words, part) in cases {
        Sandbox::new().chaos(["demo"]).args(words).done().exits(2).says_nothing().complains(part);
    }
}
