//! `probe: http`: one request a sample. Its time is that of the whole answer, body and all; a redirect is an answer.

use std::pin::Pin;

use regex_lite::Regex;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Request, StatusCode};
use serde_json::Value;

use super::Surroundings;
use super::failure::one_line;
use super::http_client::{self, Answer, HttpClient, LONGEST_BODY};
use crate::host::{Prober, Trouble};
use crate::model::about::ProbeAbout;
use crate::model::probe::{HttpProbe, JsonExpectation, ProbeSpec};
use crate::model::sample::{Measurement, Outcome};

/// What the catalogue says of it.
pub(super) const ABOUT: ProbeAbout = ProbeAbout {
    word: "http",
    summary: "one request, to the end of its body; a redirect is an answer",
    errors: "refused, broken, timeout, wrong status or body",
    no_data: "none",
    metrics: "success_rate, error_rate, and of the latency p0 to p100, median, mean, min, max",
    privileges: "none",
    example: &["url: http://127.0.0.1:8080/health", "rate: 50/s", "expect: [success_rate >= 99%, p95 <= 250ms]"],
};

/// Longer values of a JSON document are not shown.
const LONGEST_VALUE: usize = 60;

struct Http {
    client: HttpClient,
    request: Request,
    wants: Wants,
}

/// What the answer must be.
struct Wants {
    status: Vec<u16>,
    contains: Option<String>,
    matches: Option<Regex>,
    json: Option<JsonExpectation>,
}

/// Prepares the probe.
pub(super) fn prepare(
    spec: &ProbeSpec,
    http: &HttpProbe,
    around: &Surroundings,
) -> Result<impl Prober + use<>, Trouble> {
    let url = http_client::url(&http.url)?;
    let client = HttpClient::new(&url, http.ca_file.as_deref(), around.clock, spec.timeout.0)?;
    let method = Method::from_bytes(http.method.as_bytes())
        .map_err(|error| Trouble::new(format!("use `{}` as an HTTP method", http.method.escape_debug()), error))?;
    let mut request = client.request(method, url)?;
    request.headers_mut().extend(headers(http)?);
    *request.body_mut() = http.body.as_ref().map(|body| Body::from(body.reveal().to_owned()));
    Ok(Http { client, request, wants: Wants::read(http)? })
}

/// The headers; a trouble names the header and never its value.
fn headers(http: &HttpProbe) -> Result<HeaderMap, Trouble> {
    let mut headers = HeaderMap::new();
    for (name, secret) in &http.headers {
        let trouble = |why: &str| Trouble::new(format!("send the header `{}`", name.escape_debug()), why);
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| trouble("this is no name of a header"))?;
        let mut value = HeaderValue::from_str(secret.reveal())
            .map_err(|_| trouble("its value holds characters that no header may hold"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

impl Prober for Http {
    fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
        Box::pin(async {
            match self.client.exchange(&self.request, self.wants.body_length()).await {
                Ok(answer) => self.wants.judge(&answer),
                Err(failure) => failure,
            }
        })
    }
}

impl Wants {
    fn read(http: &HttpProbe) -> Result<Self, Trouble> {
        let matches = http.body_matches.as_deref().map(Regex::new).transpose();
        Ok(Self {
            status: http.status.clone(),
            contains: http.body_contains.clone(),
            matches: matches.map_err(|error| Trouble::new("read `body_matches` as a regular expression", error))?,
            json: http.json.clone(),
        })
    }

    /// How much of the body has to be kept to judge it.
    fn body_length(&self) -> usize {
        let judged = self.contains.is_some() || self.matches.is_some() || self.json.is_some();
        if judged { LONGEST_BODY } else { 0 }
    }

    fn judge(&self, answer: &Answer) -> Measurement {
        let wrong = self.wrong_status(answer.status);
        match wrong.or_else(|| self.wrong_text(answer)).or_else(|| self.wrong_json(answer)) {
            Some(detail) => Measurement::failed(Outcome::Wrong, one_line(&detail)),
            None => Measurement::ok(),
        }
    }

    fn wrong_status(&self, status: StatusCode) -> Option<String> {
        let right = if self.status.is_empty() { status.is_success() } else { self.status.contains(&status.as_u16()) };
        let wanted = if self.status.is_empty() { "2xx".to_owned() } else { alternatives(&self.status) };
        (!right).then(|| format!("status {}, wanted {wanted}", status.as_u16()))
    }

    /// The body may be private: it is judged, not shown.
    fn wrong_text(&self, answer: &Answer) -> Option<String> {
        let text = String::from_utf8_lossy(&answer.body);
        let place = if answer.cut { "the first MiB of the body" } else { "the body" };
        if let Some(wanted) = self.contains.as_deref().filter(|wanted| !text.contains(*wanted)) {
            return Some(format!("{place} does not contain `{wanted}`"));
        }
        let wanted = self.matches.as_ref().filter(|wanted| !wanted.is_match(&text))?;
        Some(format!("{place} does not match `{wanted}`"))
    }

    fn wrong_json(&self, answer: &Answer) -> Option<String> {
        let wanted = self.json.as_ref()?;
        if answer.cut {
            return Some("the body is longer than 1 MiB and is not read as JSON".to_owned());
        }
        let Ok(document) = serde_json::from_slice::<Value>(&answer.body) else {
            return Some("the body is not JSON".to_owned());
        };
        let pointer = &wanted.pointer;
        match (document.pointer(pointer), &wanted.equals) {
            (None, _) => Some(format!("the body has nothing at `{pointer}`")),
            (Some(Value::Null), None) => Some(format!("null at `{pointer}`, wanted a value")),
            (Some(found), Some(value)) if !same(found, value) => {
                Some(format!("{} at `{pointer}`, wanted {value}", shown(found)))
            }
            _ => None,
        }
    }
}

/// Numbers are the same by value: 1 is 1.0.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match (value, text.chars().count()) {
        (Value::Array(_), _) => "a list".to_owned(),
        (Value::Object(_), _) => "an object".to_owned(),
        (_, length) if length > LONGEST_VALUE => "a long text".to_owned(),
        _ => text,
    }
}

fn alternatives(statuses: &[u16]) -> String {
    statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::BodyExt;
    use hyper::body::Incoming;
    use hyper::{Request, Response};
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::model::probe::{HttpProbe, JsonExpectation, ProbeKind};
    use crate::model::sample::{Measurement, Outcome};
    use crate::model::secret::Secret;
    use crate::probe::testing::{Server, hasty, nobody, prepared, refused, response, sample, speak_http, spec};

    async fn ask(probe: HttpProbe) -> Measurement {
        sample(&spec(ProbeKind::Http(probe))).await
    }

    async fn wrong_because(probe: HttpProbe) -> String {
        let measurement = ask(probe).await;
        assert_eq!(measurement.outcome, Outcome::Wrong, "{measurement:?}");
        measurement.detail.expect("a reason")
    }

    #[tokio::test]
    async fn any_2xx_is_success_unless_the_file_says_which() {
        let created = Server::answers(201, "").await;
        assert_eq!(ask(HttpProbe::get(created.url("/"))).await, Measurement::ok());
        let probe = HttpProbe { status: vec![200, 204], ..HttpProbe::get(created.url("/")) };
        assert_eq!(wrong_because(probe).await, "status 201, wanted 200 or 204");
        let gone = Server::answers(410, "").await;
        assert_eq!(wrong_because(HttpProbe::get(gone.url("/"))).await, "status 410, wanted 2xx");
        assert_eq!(ask(HttpProbe { status: vec![410], ..HttpProbe::get(gone.url("/")) }).await, Measurement::ok());
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let server = Server::http(|_| {
            let moved = Response::builder().status(302).header("location", "/elsewhere").body(String::new());
            std::future::ready(moved.expect("a response"))
        })
        .await;
        assert_eq!(wrong_because(HttpProbe::get(server.url("/"))).await, "status 302, wanted 2xx");
    }

    #[tokio::test]
    async fn the_body_is_judged_and_not_shown() {
        let server = Server::answers(200, r#"{"state":"draining","password":"hunter2"}"#).await;
        let with = |change: fn(&mut HttpProbe)| {
            let mut probe = HttpProbe::get(server.url("/"));
            change(&mut probe);
            probe
        };
        assert_eq!(ask(with(|probe| probe.body_contains = Some("draining".into()))).await, Measurement::ok());
        assert_eq!(ask(with(|probe| probe.body_matches = Some("dr.*ing".into()))).await, Measurement::ok());
        let detail = wrong_because(with(|probe| probe.body_contains = Some("ready".into()))).await;
        assert_eq!(detail, "the body does not contain `ready`");
        let detail = wrong_because(with(|probe| probe.body_matches = Some("^ready".into()))).await;
        assert_eq!(detail, "the body does not match `^ready`");
    }

    #[tokio::test]
    async fn a_place_in_the_json_body_is_compared_by_value() {
        let server = Server::answers(200, r#"{"count":2,"state":"up","next":null,"list":[1]}"#).await;
        let at = |pointer: &str, equals: Option<Value>| HttpProbe {
            json: Some(JsonExpectation { pointer: pointer.into(), equals }),
            ..HttpProbe::get(server.url("/"))
        };
        assert_eq!(ask(at("/count", Some(json!(2.0)))).await, Measurement::ok());
        assert_eq!(ask(at("/list/0", None)).await, Measurement::ok());
        assert_eq!(wrong_because(at("/state", Some(json!("down")))).await, r#""up" at `/state`, wanted "down""#);
        assert_eq!(wrong_because(at("/next", None)).await, "null at `/next`, wanted a value");
        assert_eq!(wrong_because(at("/list", Some(json!(1)))).await, "a list at `/list`, wanted 1");
        assert_eq!(wrong_because(at("/none", None)).await, "the body has nothing at `/none`");
        let text = Server::answers(200, "up").await;
        let probe = HttpProbe { url: text.url("/"), ..at("/state", None) };
        assert_eq!(wrong_because(probe).await, "the body is not JSON");
    }

    #[tokio::test]
    async fn of_a_long_body_the_first_mebibyte_is_judged() {
        let server = Server::answers(200, format!("{}end", "x".repeat(super::LONGEST_BODY))).await;
        let probe = HttpProbe { body_contains: Some("end".into()), ..HttpProbe::get(server.url("/")) };
        assert_eq!(wrong_because(probe).await, "the first MiB of the body does not contain `end`");
        let json = JsonExpectation { pointer: String::new(), equals: None };
        assert!(
            wrong_because(HttpProbe { json: Some(json), ..HttpProbe::get(server.url("/")) })
                .await
                .contains("longer than 1 MiB")
        );
        assert_eq!(ask(HttpProbe::get(server.url("/"))).await, Measurement::ok());
    }

    async fn echo(request: Request<Incoming>) -> Response<String> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let token = parts.headers.get("x-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
        response(200, &format!("{} {token} {}", parts.method, String::from_utf8_lossy(&body)))
    }

    #[tokio::test]
    async fn method_headers_and_body_reach_the_server() {
        let server = Server::http(echo).await;
        let probe = HttpProbe {
            method: "PUT".into(),
            headers: BTreeMap::from([("X-Token".into(), Secret::new("s3cret"))]),
            body: Some(Secret::new("hello")),
            body_contains: Some("PUT s3cret hello".into()),
            ..HttpProbe::get(server.url("/"))
        };
        assert_eq!(ask(probe).await, Measurement::ok());
    }

    #[tokio::test]
    async fn a_user_and_a_password_in_the_url_are_sent_as_a_header() {
        let server = Server::http(|request| {
            let right = request.headers().get("authorization").is_some_and(|value| value == "Basic dXNlcjpzM2NyZXQ=");
            std::future::ready(response(if right { 200 } else { 401 }, ""))
        })
        .await;
        let url = server.url("/").replace("http://", "http://user:s3cret@");
        assert_eq!(ask(HttpProbe::get(url)).await, Measurement::ok());
    }

    #[tokio::test]
    async fn no_server_is_refused() {
        let measurement = ask(HttpProbe::get(format!("http://user:s3cret@{}/?token=s3cret", nobody().await))).await;
        assert_eq!(measurement.outcome, Outcome::Refused);
        assert!(measurement.detail.is_some_and(|detail| !detail.contains("s3cret")));
    }

    #[tokio::test]
    async fn a_connection_that_ends_in_the_middle_is_broken() {
        for bytes in
            [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 2"]
        {
            let server = Server::bytes(bytes).await;
            let measurement = ask(HttpProbe::get(server.url("/?token=s3cret"))).await;
            assert_eq!(measurement.outcome, Outcome::Broken, "{}", String::from_utf8_lossy(bytes));
            assert!(measurement.detail.is_some_and(|detail| !detail.is_empty() && !detail.contains("s3cret")));
        }
    }

    #[tokio::test]
    async fn an_answer_that_never_comes_or_never_ends_is_a_timeout() {
        let silent = Server::http(|_| std::future::pending()).await;
        let measurement = sample(&hasty(ProbeKind::Http(HttpProbe::get(silent.url("/"))))).await;
        assert_eq!(measurement.outcome, Outcome::Timeout);
        let endless = Server::start(|mut stream| async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort").await;
            std::future::pending::<()>().await;
        })
        .await;
        let measurement = sample(&hasty(ProbeKind::Http(HttpProbe::get(endless.url("/"))))).await;
        assert_eq!(measurement.outcome, Outcome::Timeout);
    }

    #[tokio::test]
    async fn connections_are_reused() {
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let server = Server::start(move |stream| {
            counter.fetch_add(1, Ordering::Relaxed);
            speak_http(stream, |_| std::future::ready(response(200, "body")))
        })
        .await;
        let prober = prepared(&spec(ProbeKind::Http(HttpProbe::get(server.url("/")))));
        for _ in 0..5 {
            assert_eq!(prober.take().await, Measurement::ok());
        }
        assert_eq!(connections.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn settings_that_cannot_work_are_refused_without_their_secrets() {
        let header = |name: &str, value: &str| HttpProbe {
            headers: BTreeMap::from([(name.into(), Secret::new(value))]),
            ..HttpProbe::get("http://127.0.0.1/")
        };
        let cases = [
            (HttpProbe::get("ftp://127.0.0.1/s3cret"), "`ftp` is neither http nor https"),
            (HttpProbe::get("http://s3cret:s3cret@:/"), "empty host"),
            (header("a b", "s3cret"), "send the header `a b`"),
            (header("token", "s3cret\n"), "send the header `token`"),
            (HttpProbe { method: "G T".into(), ..HttpProbe::get("http://127.0.0.1/") }, "`G T` as an HTTP method"),
            (HttpProbe { body_matches: Some("(".into()), ..HttpProbe::get("http://127.0.0.1/") }, "regular expression"),
        ];
        for (probe, part) in cases {
            let trouble = refused(ProbeKind::Http(probe)).to_string();
            assert!(trouble.contains(part) && !trouble.contains("s3cret"), "{trouble}");
        }
    }
}
