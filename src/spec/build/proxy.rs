//! `proxies`.

use std::net::SocketAddr;
use std::ops::Range;

use super::{Context, is_host_and_port};
use crate::diagnostic::Diagnostic;
use crate::model::experiment::{Protocol, Proxy, UserKey};
use crate::model::fault::{FaultSpec, Target};
use crate::spec::decode::Spanned;
use crate::spec::file::{ExperimentFile, ProxyFile};

/// What was said about the protocol: nothing, or that it is TCP or HTTP.
pub(super) type Said = Option<Protocol>;

/// The proxies that are right, and what each says about its protocol.
pub(super) fn proxies(context: &Context<'_, '_>, file: &ExperimentFile) -> Vec<(Proxy, Said)> {
    let mut listening: Vec<(SocketAddr, Range<usize>)> = Vec::new();
    let given = file.proxies.each().iter().filter_map(|proxy| proxy.given());
    given.filter_map(|proxy| proxy_of(context, proxy, &mut listening)).collect()
}

fn proxy_of(
    context: &Context<'_, '_>,
    given: &Spanned<ProxyFile>,
    listening: &mut Vec<(SocketAddr, Range<usize>)>,
) -> Option<(Proxy, Said)> {
    let file = &given.value;
    let name = context.require(&file.name, "name", &given.span).and_then(|name| context.name(name));
    let listen = context.require(&file.listen, "listen", &given.span).and_then(|text| listen(context, text, listening));
    let upstream = context.require(&file.upstream, "upstream", &given.span).and_then(|text| upstream(context, text));
    if let (Some(listen), Some(upstream), Some(place)) = (listen, &upstream, file.upstream.given())
        && listen.to_string() == *upstream
    {
        context.error(&place.span, "this proxy would talk to itself", "write the address of the server behind it");
    }
    if let Some(users) = file.users.given() {
        check_users(context, users, file.protocol.get());
    }
    let said = file.protocol.get().copied();
    let protocol = if file.users.get().is_some() { Protocol::Http } else { said.unwrap_or_default() };
    let users = file.users.get().cloned();
    Some((Proxy { name: name?, listen: listen?, upstream: upstream?, protocol, users }, said))
}

fn listen(
    context: &Context<'_, '_>,
    text: &Spanned<String>,
    listening: &mut Vec<(SocketAddr, Range<usize>)>,
) -> Option<SocketAddr> {
    let Ok(address) = text.value.parse::<SocketAddr>() else {
        let port = text.value.rsplit_once(':').map_or(text.value.as_str(), |(_, port)| port);
        let help = match port.parse::<u16>() {
            Ok(port) => format!("did you mean `127.0.0.1:{port}`?"),
            Err(_) => "write an address and a port, such as `127.0.0.1:9102`".to_owned(),
        };
        context.error(&text.span, format!("`{}` is no address to listen on", text.value), help);
        return None;
    };
    match listening.iter().find(|(other, _)| *other == address && address.port() != 0) {
        None => listening.push((address, text.span.clone())),
        Some((_, first)) => context.decoder.report(
            Diagnostic::error(format!("two proxies listen on `{address}`"))
                .at(text.span.clone())
                .label("the second")
                .also(first.clone(), "the first")
                .help("give one of them another port; port 0 lets the kernel choose"),
        ),
    }
    Some(address)
}

fn upstream(context: &Context<'_, '_>, text: &Spanned<String>) -> Option<String> {
    if is_host_and_port(&text.value) {
        return Some(text.value.clone());
    }
    let bare = text.value.split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/');
    let help = match is_host_and_port(bare) {
        true => format!("did you mean `{bare}`?"),
        false => "write `HOST:PORT`, such as `127.0.0.1:9002`".to_owned(),
    };
    context.error(&text.span, "`upstream` must be `HOST:PORT`", help);
    None
}

fn check_users(context: &Context<'_, '_>, users: &Spanned<UserKey>, protocol: Option<&Protocol>) {
    let (UserKey::Header(name) | UserKey::Cookie(name)) = &users.value;
    if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = format!("`{name}` cannot be the name of a header or cookie");
        context.error(&users.span, message, "write a name such as `x-user-id`");
    }
    if protocol == Some(&Protocol::Tcp) {
        context.error(
            &users.span,
            "a proxy that speaks TCP sees no headers",
            "write `protocol: http`, or remove `users`",
        );
    }
}

/// Proxies that a fault on HTTP targets speak HTTP, unless they said that they speak TCP.
pub(super) fn choose_protocols(
    context: &Context<'_, '_>,
    proxies: &mut [(Proxy, Said)],
    faults: &[(FaultSpec, Range<usize>)],
) {
    for (fault, place) in faults.iter().filter(|(fault, _)| fault.kind.word().starts_with("http.")) {
        let Target::Proxy(target) = &fault.target else { continue };
        for (proxy, said) in proxies.iter_mut().filter(|(proxy, _)| proxy.name == *target) {
            if *said == Some(Protocol::Tcp) {
                let message =
                    format!("`{}` needs a proxy that speaks HTTP, but `{target}` speaks TCP", fault.kind.word());
                context.error(place, message, format!("remove `protocol: tcp` from the proxy `{target}`"));
            }
            proxy.protocol = Protocol::Http;
        }
    }
}
