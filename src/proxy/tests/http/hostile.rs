//! Clients that do what they should not. Nothing may panic, nor may one request become two.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};

use std::time::Duration;

use super::{AsyncReadExt, AsyncWriteExt, Clock, Rig, TcpStream, soon};

/// Whoever has said nothing for so long has nothing to say.
const QUIET: Duration = Duration::from_millis(150);

/// Sends bytes, and gives back all that is answered until the end, or until nothing comes any more.
async fn answered(rig: &Rig, bytes: &[u8]) -> String {
    let mut client = TcpStream::connect(rig.address).await.expect("connects");
    // The proxy may have closed in the middle, which is an answer too.
    let _ = soon(client.write_all(bytes)).await;
    let mut answer = Vec::new();
    loop {
        let read = tokio::select! {
            read = client.read_buf(&mut answer) => read.unwrap_or(0),
            () = Clock::Real.sleep(QUIET) => 0,
        };
        if read == 0 {
            return String::from_utf8_lossy(&answer).into_owned();
        }
    }
}

async fn lives(rig: &Rig) -> bool {
    rig.client().await.post("/alive", b"x").await.0 == 200
}

#[tokio::test]
async fn a_request_with_two_lengths_never_hides_another() {
    let hidden = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked = format!("0\r\n\r\n{hidden}");
    let length = chunked.len();
    let both =
        |first: String, second: String| format!("POST /front HTTP/1.1\r\nHost: a\r\n{first}{second}\r\n{chunked}");
    let content = |length: usize| format!("Content-Length: {length}\r\n");
    let transfer = |coding: &str| format!("Transfer-Encoding: {coding}\r\n");
    for attempt in [
        both(content(length), transfer("chunked")),
        both(transfer("chunked"), content(length)),
        both(content(length), transfer(" chunked ")),
        both(content(length), transfer("xchunked")),
        both(content(length), transfer("chunked, identity")),
        both(content(length), "Transfer-Encoding\t: chunked\r\n".into()),
        both(content(length), "Transfer-Encoding:\r\n chunked\r\n".into()),
        both(content(5), content(length)),
        both("Content-Length: +5\r\n".into(), String::new()),
        both("Content-Length: 5, 5\r\n".into(), String::new()),
        both("Content-Length: -1\r\n".into(), String::new()),
        both(transfer("chunked"), transfer("chunked")),
    ] {
        let rig = Rig::new(1, None).await;
        let answer = answered(&rig, attempt.as_bytes()).await;
        // What the proxy takes for the second request is one: the upstream is told the same borders. If the first was
        // refused, nothing that follows is believed.
        let heard = rig.heard();
        let refused = answer.starts_with("HTTP/1.1 400 ");
        let passed_as_one = heard.first().is_some_and(|first| first == "POST /front");
        assert!(refused && heard.is_empty() || !refused && passed_as_one, "{attempt}\n{heard:?}\n{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), heard.len().max(1), "one answer each\n{attempt}\n{answer}");
        assert!(lives(&rig).await);
    }
}

#[tokio::test]
async fn a_request_of_both_framings_goes_on_with_one() {
    let rig = Rig::new(1, None).await;
    let attempt =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    let answer = answered(&rig, attempt.as_bytes()).await;
    assert!(answer.contains("x-framing: chunked\r\n") && answer.contains("body"), "{answer}");
    assert!(!answer.contains("Content-Length: 4"), "{answer}");
}

#[tokio::test]
async fn a_bad_chunk_ends_the_request_and_the_connection() {
    let rig = Rig::new(1, None).await;
    for chunk in ["zz\r\nbody\r\n", "ffffffffffffffffff\r\nx", "4\r\nbodyXX", "-1\r\n\r\n", "4;\0\r\nbody\r\n"] {
        let attempt = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        answered(&rig, attempt.as_bytes()).await;
    }
    assert!(!rig.heard().iter().any(|heard| heard.contains("smuggled")), "{:?}", rig.heard());
    assert!(lives(&rig).await);
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let rig = Rig::new(1, None).await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(2 << 20));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(2 << 20));
    for attempt in [long, many, target] {
        let answer = answered(&rig, attempt.as_bytes()).await;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 414 ");
        assert!(refused, "{}", &answer[..answer.len().min(200)]);
    }
    assert!(rig.heard().is_empty() && lives(&rig).await);
}

#[tokio::test]
async fn clients_that_send_their_headers_slowly_keep_nobody_waiting() {
    let rig = Rig::new(1, None).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut client = TcpStream::connect(rig.address).await.expect("connects");
        client.write_all(b"GET / HTTP/1.1\r\nX-").await.expect("writes");
        slow.push(client);
    }
    assert!(lives(&rig).await);
    let start = Clock::Real.now();
    soon(rig.set.close("p")).await.expect("closes");
    assert!(start.elapsed().as_millis() < 400, "{:?}", start.elapsed());
}

#[tokio::test]
async fn http2_that_is_none_ends_the_connection() {
    let rig = Rig::speaking(super::Speech::Two, 1, None).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    for rest in
        [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0xff; 64], &[0, 0, 5, 1, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff]]
    {
        answered(&rig, &[preface, rest].concat()).await;
    }
    assert!(rig.heard().is_empty() && lives(&rig).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn garbage_never_ends_the_proxy(
        start in prop::sample::select(vec!["", "GET ", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let lives = runtime.block_on(async {
            let rig = Rig::new(1, None).await;
            answered(&rig, &[start.as_bytes(), &rest].concat()).await;
            lives(&rig).await
        });
        prop_assert_eq!(lives, true);
    }
}
