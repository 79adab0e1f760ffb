//! `probe: prometheus`: an instant query a sample. The server is the source and not the system under test: whatever it
//! cannot say is no data, never a failure of the target.

use std::pin::Pin;

use reqwest::{Method, Request, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Surroundings;
use super::failure::one_line;
use super::http_client::{self, HttpClient, LONGEST_BODY};
use crate::host::{Prober, Trouble};
use crate::model::about::ProbeAbout;
use crate::model::probe::{ProbeSpec, PrometheusProbe};
use crate::model::sample::{Measurement, Outcome};
use crate::model::units::Timespan;

/// What the catalogue says of it.
pub(super) const ABOUT: ProbeAbout = ProbeAbout {
    word: "prometheus",
    summary: "one instant query of a Prometheus server, which is the source and not the system under test",
    errors: "none",
    no_data: "whatever the server cannot say, or what is older than `max_age`",
    metrics: "value, and p0 to p100, median, mean, min, max of it",
    privileges: "none",
    example: &[
        "server: http://127.0.0.1:9090",
        "query: sum(queue_depth)",
        "interval: 1s",
        "expected_value: 10",
        "tolerance: 5",
    ],
};

struct Prometheus {
    client: HttpClient,
    query: Request,
    age: Option<AgeLimit>,
}

/// An instant query shows samples up to five minutes old (the server's look-back) as if they were of now. Newer servers
/// take another look-back with the query (`lookback_delta`; 2.42 ignores it); every server tells the true time of a
/// plain series by `timestamp()`, on its own clock.
struct AgeLimit {
    query: Request,
    most: Timespan,
}

/// The answer of `/api/v1/query` (<https://prometheus.io/docs/prometheus/latest/querying/api/>).
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Reply {
    Success { data: Data },
    Error { error: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

#[derive(Deserialize)]
struct Series {
    /// Absent for native histograms.
    value: Option<Point>,
}

/// The time of the evaluation in seconds, and the value as text.
#[derive(Deserialize)]
struct Point(f64, String);

/// Prepares the probe.
pub(super) fn prepare(
    spec: &ProbeSpec,
    prometheus: &PrometheusProbe,
    around: &Surroundings,
) -> Result<impl Prober + use<>, Trouble> {
    let server = http_client::url(&prometheus.server)?;
    let client = HttpClient::new(&server, None, around.clock, spec.timeout.0)?;
    let ask = |query: &str, look_back| client.request(Method::GET, instant_query(&server, query, look_back));
    let query = ask(&prometheus.query, prometheus.max_age)?;
    // The line break ends a comment at the end of the query.
    let limit =
        |most| Ok::<_, Trouble>(AgeLimit { query: ask(&format!("timestamp({}\n)", prometheus.query), None)?, most });
    let age = prometheus.max_age.map(limit).transpose()?;
    Ok(Prometheus { client, query, age })
}

fn instant_query(server: &Url, query: &str, look_back: Option<Timespan>) -> Url {
    let mut url = server.clone();
    url.set_path(&format!("{}/api/v1/query", server.path().trim_end_matches('/')));
    url.query_pairs_mut().append_pair("query", query);
    if let Some(Timespan(time)) = look_back {
        url.query_pairs_mut().append_pair("lookback_delta", &time.as_secs_f64().to_string());
    }
    url
}

impl Prober for Prometheus {
    fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
        Box::pin(async {
            let (value, age) = tokio::join!(self.value(), self.too_old());
            match (value, age) {
                (Err(why), _) | (_, Some(why)) => Measurement::failed(Outcome::NoData, one_line(&why)),
                (Ok(value), None) => Measurement::value(value),
            }
        })
    }
}

impl Prometheus {
    async fn value(&self) -> Result<f64, String> {
        match self.ask(&self.query).await? {
            Reply::Success { data } => Ok(point(data)?.value()),
            Reply::Error { error } => Err(format!("Prometheus says: {error}")),
        }
    }

    /// Why the sample is too old. An expression that is no plain series has no age of its own: the query for it then
    /// answers the time of the evaluation, or an error; whether the source answers at all is seen by [`Self::value`].
    async fn too_old(&self) -> Option<String> {
        let limit = self.age.as_ref()?;
        let Ok(Reply::Success { data }) = self.ask(&limit.query).await else { return None };
        let point = point(data).ok()?;
        let age = point.0 - point.value();
        (age > limit.most.0.as_secs_f64())
            .then(|| format!("the sample is {age:.1} s old, wanted at most {}", limit.most))
    }

    async fn ask(&self, request: &Request) -> Result<Reply, String> {
        let answer = self.client.exchange(request, LONGEST_BODY).await.map_err(|failure| {
            let detail = failure.detail.unwrap_or_default();
            format!("Prometheus: {}: {detail}", failure.outcome.word())
        })?;
        // A query that was refused comes with a reason in the body, and a status that is no 2xx.
        serde_json::from_slice(&answer.body).map_err(|_| {
            format!("status {} and no answer of the Prometheus API: is `server` right?", answer.status.as_u16())
        })
    }
}

impl Point {
    /// Not a number where the text is none, which is no data, too.
    fn value(&self) -> f64 {
        self.1.parse().unwrap_or(f64::NAN)
    }
}

/// The one point of the answer.
fn point(data: Data) -> Result<Point, String> {
    match data.result_type.as_str() {
        "scalar" => read(data.result),
        "vector" => only_series(read(data.result)?),
        other => Err(format!("the query yields a {other}, wanted a scalar or a vector of one element")),
    }
}

fn only_series(mut series: Vec<Series>) -> Result<Point, String> {
    match (series.pop(), series.len()) {
        (None, _) => Err("the query yields no series".to_owned()),
        (Some(only), 0) => only.value.ok_or_else(|| "the query yields a histogram, wanted a number".to_owned()),
        (Some(_), others) => {
            Err(format!("the query yields {} series, wanted one: aggregate them, as in sum(...)", others + 1))
        }
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("Prometheus answers what its API does not promise: {error}"))
}

#[cfg(test)]
mod tests {
    use hyper::Uri;

    use crate::model::probe::{ProbeKind, PrometheusProbe};
    use crate::model::sample::{Measurement, Outcome};
    use crate::model::units::Timespan;
    use crate::probe::testing::{Server, hasty, nobody, response, sample, spec};

    fn query(server: String) -> ProbeKind {
        ProbeKind::Prometheus(PrometheusProbe { server, query: "sum(queue_depth)".into(), max_age: None })
    }

    fn success(kind: &str, result: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
    }

    async fn answered(status: u16, body: impl Into<String>) -> Measurement {
        let server = Server::answers(status, body).await;
        sample(&spec(query(server.url("")))).await
    }

    async fn no_data_because(status: u16, body: impl Into<String>) -> String {
        let measurement = answered(status, body).await;
        assert_eq!((measurement.outcome, measurement.value), (Outcome::NoData, None));
        measurement.detail.expect("a reason")
    }

    #[tokio::test]
    async fn a_scalar_and_a_vector_of_one_element_are_values() {
        assert_eq!(answered(200, success("scalar", r#"[1700000000.1,"4.5"]"#)).await, Measurement::value(4.5));
        let one = r#"[{"metric":{"job":"demo"},"value":[1700000000.1,"7"]}]"#;
        assert_eq!(answered(200, success("vector", one)).await, Measurement::value(7.0));
    }

    #[tokio::test]
    async fn the_query_arrives_whole_and_beneath_the_path_of_the_server() {
        let server = Server::http(|request| {
            let right = *request.uri() == Uri::from_static("/prom/api/v1/query?query=sum%28queue_depth%29");
            std::future::ready(response(200, &success("scalar", if right { r#"[1,"1"]"# } else { r#"[1,"0"]"# })))
        })
        .await;
        assert_eq!(sample(&spec(query(server.url("/prom/")))).await, Measurement::value(1.0));
    }

    #[tokio::test]
    async fn what_is_no_single_number_is_no_data() {
        let two = r#"[{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{"a":"2"},"value":[1,"2"]}]"#;
        assert!(no_data_because(200, success("vector", two)).await.contains("2 series, wanted one"));
        assert!(no_data_because(200, success("vector", "[]")).await.contains("no series"));
        assert!(no_data_because(200, success("matrix", "[]")).await.contains("matrix"));
        assert!(
            no_data_because(200, success("vector", r#"[{"metric":{},"histogram":[1,{}]}]"#))
                .await
                .contains("histogram")
        );
        for text in ["NaN", "+Inf", "-Inf", "many"] {
            no_data_because(200, success("scalar", &format!(r#"[1,"{text}"]"#))).await;
        }
    }

    #[tokio::test]
    async fn a_source_that_fails_is_no_data_with_its_own_words() {
        let error = r#"{"status":"error","errorType":"bad_data","error":"parse error: unexpected end"}"#;
        assert_eq!(no_data_because(400, error).await, "Prometheus says: parse error: unexpected end");
        assert!(no_data_because(502, "<html>bad gateway</html>").await.contains("status 502"));
        assert!(no_data_because(200, "ok").await.contains("is `server` right?"));
    }

    #[tokio::test]
    async fn a_source_that_is_not_there_or_does_not_answer_is_no_data_too() {
        let nobody = sample(&spec(query(format!("http://{}", nobody().await)))).await;
        assert_eq!(nobody.outcome, Outcome::NoData);
        assert!(nobody.detail.is_some_and(|detail| detail.contains("refused")));
        let silent = Server::http(|_| std::future::pending()).await;
        let silent = sample(&hasty(query(silent.url("")))).await;
        assert_eq!(silent.outcome, Outcome::NoData);
        assert!(silent.detail.is_some_and(|detail| detail.contains("timeout")));
    }

    #[tokio::test]
    async fn a_sample_older_than_it_may_be_is_no_data() {
        // The server evaluates at 1000 s; the sample itself is of 900 s.
        let server = Server::http(|request| {
            let asks_time = request.uri().query().is_some_and(|query| query.contains("timestamp"));
            let value = if asks_time { "900" } else { "5" };
            std::future::ready(response(
                200,
                &success("vector", &format!(r#"[{{"metric":{{}},"value":[1000,"{value}"]}}]"#)),
            ))
        })
        .await;
        let limited = |max_age| {
            let kind = PrometheusProbe { server: server.url(""), query: "queue_depth".into(), max_age: Some(max_age) };
            spec(ProbeKind::Prometheus(kind))
        };
        let stale = sample(&limited(Timespan::seconds(30))).await;
        assert_eq!(stale.outcome, Outcome::NoData);
        assert_eq!(stale.detail.as_deref(), Some("the sample is 100.0 s old, wanted at most 30s"));
        assert_eq!(sample(&limited(Timespan::seconds(101))).await, Measurement::value(5.0));
    }
}
