//! The way that requests take: straight, or through a proxy that the experiment puts there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, bail, ensure};
use reqwest::Url;

use crate::model::fault::TargetKind;

/// What is asked, and what stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// What probes ask.
    pub url: Url,
    /// The `Host` header to send, where the address of a proxy stands in the URL for a name.
    pub host: Option<String>,
    /// The proxy.
    pub proxy: Option<Proxy>,
    /// Probes ask through that proxy: they are the caller that meets the fault.
    pub through: bool,
}

/// A proxy in front of what is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What it stands in front of.
    pub upstream: String,
}

/// The URL of a port on this machine, or one that is written out.
pub(super) fn url(text: &str) -> anyhow::Result<Url> {
    let text = text.trim();
    let url = match text.parse::<u16>() {
        Ok(port) => format!("http://127.0.0.1:{port}/"),
        Err(_) if text.contains("://") => text.to_owned(),
        Err(_) => format!("http://{text}"),
    };
    let mut url = Url::parse(&url).with_context(|| format!("`{text}` is no URL"))?;
    ensure!(
        matches!(url.scheme(), "http" | "https"),
        "`{}://` is not spoken here: write http:// or https://",
        url.scheme()
    );
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "a user or password in a URL is shown in reports: write it as a header in the file, from a secret"
    );
    url.set_fragment(None);
    Ok(url)
}

/// Where requests to this URL go when that kind of target is broken.
pub(super) fn way(
    url: Url,
    target: TargetKind,
    dependency: Option<&str>,
    listen: Option<SocketAddr>,
) -> anyhow::Result<Way> {
    if target != TargetKind::Proxy {
        ensure!(
            dependency.is_none() && listen.is_none(),
            "this breaks no network: leave out --dependency and --listen"
        );
        return Ok(Way { url, host: None, proxy: None, through: false });
    }
    if let Some(dependency) = dependency {
        let upstream = host_and_port(dependency)?;
        let proxy = Some(Proxy { listen: listening(listen, &upstream)?, upstream });
        return Ok(Way { url, host: None, proxy, through: false });
    }
    if url.scheme() == "https" {
        bail!(
            "the certificate of {url} is not valid for a proxy on this machine\n  help: name what stands behind it with \
             `--dependency HOST:PORT`, and point it at the proxy; or break something that needs no proxy (`--break cpu`)"
        );
    }
    let name = url.host_str().context("this URL names no host")?.to_owned();
    let upstream = format!("{name}:{}", url.port_or_known_default().unwrap_or(80));
    let listen = listening(listen, &upstream)?;
    let is_here = url.domain().is_none_or(|name| name == "localhost");
    let host = (!is_here).then(|| url.port().map_or(name.clone(), |port| format!("{name}:{port}")));
    let mut asked = url;
    // Both are possible for every URL with a host.
    let set = asked.set_ip_host(listen.ip()).is_ok() && asked.set_port(Some(listen.port())).is_ok();
    ensure!(set, "a proxy cannot be put in front of {asked}");
    Ok(Way { url: asked, host, proxy: Some(Proxy { listen, upstream }), through: true })
}

fn host_and_port(text: &str) -> anyhow::Result<String> {
    let bare = text.trim().rsplit_once("://").map_or(text.trim(), |(_, rest)| rest).trim_end_matches('/');
    let port = bare.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    ensure!(port.is_some_and(|port| port > 0), "`{text}` is not HOST:PORT: write it like 127.0.0.1:5432");
    Ok(bare.to_owned())
}

/// The port of the upstream and ten thousand, or the first free one after it.
fn listening(given: Option<SocketAddr>, upstream: &str) -> anyhow::Result<SocketAddr> {
    if let Some(given) = given {
        return Ok(given);
    }
    let port: u16 = upstream.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
    let first = if port < 22_768 { port + 10_000 } else { 18_080 };
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port =
        (first..first.saturating_add(200)).find(free).context("no port is free for a proxy; name one: --listen")?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

#[cfg(test)]
mod tests {
    use super::{TargetKind, url, way};

    #[test]
    fn a_port_or_a_name_is_enough_for_a_url() {
        assert_eq!(url("8080").expect("a port").as_str(), "http://127.0.0.1:8080/");
        assert_eq!(url("localhost:8080/a?b=c#d").expect("a name").as_str(), "http://localhost:8080/a?b=c");
        for wrong in ["", "ftp://a/", "http://user:secret@a/", "http://"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_probe_of_the_broken_server_itself_goes_through_the_proxy() {
        let listen = Some("127.0.0.1:9".parse().expect("an address"));
        let asked = |text: &str| way(url(text).expect("a URL"), TargetKind::Proxy, None, listen);
        let local = asked("http://localhost:8080/a?b=c").expect("a way");
        assert_eq!((local.url.as_str(), local.host), ("http://127.0.0.1:9/a?b=c", None));
        assert_eq!(local.proxy.expect("a proxy").upstream, "localhost:8080");
        let named = asked("http://shop.example/").expect("a way");
        assert_eq!(
            (named.host.as_deref(), named.proxy.expect("a proxy").upstream.as_str()),
            (Some("shop.example"), "shop.example:80")
        );
        let six = asked("http://[::1]:8080/").expect("a way");
        assert_eq!((six.proxy.expect("a proxy").upstream.as_str(), six.host), ("[::1]:8080", None));
        assert!(asked("https://shop.example/").expect_err("TLS").to_string().contains("--dependency"));
    }

    #[test]
    fn a_probe_of_what_stands_before_a_dependency_goes_straight() {
        let asked = url("https://shop.example/").expect("a URL");
        let way = way(asked.clone(), TargetKind::Proxy, Some("db.internal:5432"), None).expect("a way");
        assert_eq!((way.url, way.through), (asked.clone(), false));
        assert_eq!(way.proxy.expect("a proxy").upstream, "db.internal:5432");
        assert!(super::way(asked.clone(), TargetKind::Proxy, Some("5432"), None).is_err());
        assert!(super::way(asked, TargetKind::Host, Some("a:1"), None).is_err());
    }
}
