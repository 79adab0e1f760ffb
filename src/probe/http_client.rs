//! The HTTP client of the probes: it measures, so it hides nothing. No proxy from the environment, no redirect
//! followed, nothing sent twice, no answer decompressed; connections are reused, as a well-behaved client would.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, Method, Request, Response, StatusCode, Url};

use super::failure;
use crate::host::Trouble;
use crate::host::clock::Clock;
use crate::model::sample::{Measurement, Outcome};

/// More of a body than this is never kept, only read.
pub(super) const LONGEST_BODY: usize = 1 << 20;

/// A client of one server, with a time limit on everything up to the end of the body.
pub(super) struct HttpClient {
    client: Client,
    clock: Clock,
    timeout: Duration,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The first bytes of the body, as many as were to be kept.
    pub(super) body: Vec<u8>,
    /// Whether the body was longer than that.
    pub(super) cut: bool,
}

impl HttpClient {
    /// A client for this URL's server. `https` trusts the certificates of `ca_file` and no others, or the system's own
    /// where there is no `ca_file` (`SSL_CERT_FILE`, else where the distributions keep them).
    pub(super) fn new(url: &Url, ca_file: Option<&Path>, clock: Clock, timeout: Duration) -> Result<Self, Trouble> {
        // Already installed, by an earlier probe: the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("chaos/", env!("CARGO_PKG_VERSION")));
        let builder = match (url.scheme(), ca_file) {
            ("https", Some(file)) => builder.tls_certs_only(certificates(file)?),
            ("https", None) => builder,
            // The system's certificates are not even read.
            _ => builder.tls_certs_only([]),
        };
        let client = builder.build().map_err(|error| Trouble::new("prepare an HTTP client", root(&error)))?;
        Ok(Self { client, clock, timeout })
    }

    /// A request that can be sent again and again. A user and a password in the URL become a header.
    pub(super) fn request(&self, method: Method, url: Url) -> Result<Request, Trouble> {
        let request = self.client.request(method, url).build();
        request.map_err(|error| Trouble::new("prepare an HTTP request", root(&error.without_url())))
    }

    /// Sends the request and reads the answer to its end, at most for the timeout; keeps so many bytes of its body.
    pub(super) async fn exchange(&self, request: &Request, keep: usize) -> Result<Answer, Measurement> {
        let Some(request) = request.try_clone() else {
            return Err(Measurement::failed(
                Outcome::NoData,
                "the request cannot be sent twice: this is a bug in chaos",
            ));
        };
        let work = async {
            let response = self.client.execute(request).await?;
            read(response, keep).await
        };
        // The URL may hold a secret, and errors like to repeat it.
        let work = async { work.await.map_err(|error| failure::of_error(&error.without_url())) };
        failure::within(self.clock, self.timeout, work).await
    }
}

/// Reads a URL of a probe. The URL itself may hold a secret: the trouble does not repeat it.
pub(super) fn url(text: &str) -> Result<Url, Trouble> {
    let trouble = |why: String| Trouble::new("read the URL of a probe", why).help("write `http://HOST:PORT/PATH`");
    let url = Url::parse(text).map_err(|error| trouble(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(trouble(format!("`{other}` is neither http nor https"))),
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, Trouble> {
    let trouble = |why: String| {
        let help = "`ca_file` is a file of certificates in PEM, each from BEGIN CERTIFICATE to END CERTIFICATE";
        Trouble::new(format!("read certificates from {}", file.display()), why).help(help)
    };
    let pem = std::fs::read(file).map_err(|error| trouble(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| trouble(root(&error)))?;
    if certificates.is_empty() {
        return Err(trouble("it holds no certificate".to_owned()));
    }
    Ok(certificates)
}

/// Always to the end: an answer is complete when its body is, and only then can its connection be reused.
async fn read(mut response: Response, keep: usize) -> Result<Answer, reqwest::Error> {
    let mut answer = Answer { status: response.status(), body: Vec::new(), cut: false };
    while let Some(chunk) = response.chunk().await? {
        let room = keep - answer.body.len();
        answer.cut |= chunk.len() > room;
        answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(answer)
}

/// The text of the innermost error, which unlike the outer ones never repeats the URL.
fn root(error: &dyn std::error::Error) -> String {
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    failure::one_line(&root.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tempfile::NamedTempFile;
    use tokio_rustls::TlsAcceptor;

    use crate::model::probe::{HttpProbe, ProbeKind};
    use crate::model::sample::{Measurement, Outcome};
    use crate::probe::testing::{Server, refused, response, sample, speak_http, spec};

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
    }

    fn file(pem: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(pem.as_bytes()).expect("a full file");
        file
    }

    async fn https_server(authority: &Authority) -> Server {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, authority).expect("a certificate").der().clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
            .expect("a server");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Server::start(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    speak_http(stream, |_| std::future::ready(response(200, "safe"))).await;
                }
            }
        })
        .await
    }

    fn get(host: &str, server: &Server, ca_file: Option<&NamedTempFile>) -> ProbeKind {
        ProbeKind::Http(HttpProbe {
            url: format!("https://{host}:{}/", server.address.port()),
            method: "GET".into(),
            headers: [].into(),
            body: None,
            status: Vec::new(),
            body_contains: Some("safe".into()),
            body_matches: None,
            json: None,
            ca_file: ca_file.map(|file| file.path().to_owned()),
        })
    }

    #[tokio::test]
    async fn a_server_is_trusted_by_the_authority_in_the_file() {
        let authority = authority();
        let server = https_server(&authority).await;
        let pem = file(&authority.pem());
        assert_eq!(sample(&spec(get("localhost", &server, Some(&pem)))).await, Measurement::ok());
    }

    #[tokio::test]
    async fn a_server_of_another_authority_or_name_is_a_broken_connection_that_says_why() {
        let authority = authority();
        let server = https_server(&authority).await;
        let (right, other) = (file(&authority.pem()), file(&self::authority().pem()));
        for (host, pem, why) in [("localhost", &other, "certificate"), ("127.0.0.1", &right, "not valid for name")] {
            let measurement = sample(&spec(get(host, &server, Some(pem)))).await;
            assert_eq!(measurement.outcome, Outcome::Broken);
            assert!(measurement.detail.as_ref().is_some_and(|detail| detail.contains(why)), "{measurement:?}");
        }
    }

    #[tokio::test]
    async fn a_file_without_certificates_is_refused_before_the_run() {
        let server = Server::answers(200, "").await;
        let empty = file("no certificate");
        let trouble = refused(get("localhost", &server, Some(&empty)));
        assert!(trouble.to_string().contains("it holds no certificate"), "{trouble}");
        let gone = file("");
        let path = gone.path().to_owned();
        let kind = get("localhost", &server, Some(&gone));
        drop(gone);
        assert!(refused(kind).to_string().contains(&path.display().to_string()));
    }
}
