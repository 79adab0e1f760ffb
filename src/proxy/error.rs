//! Why a proxy or a toxic could not be changed: as a reason for programs, and as a [`Trouble`] for people.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use crate::host::Trouble;

/// A change that was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.trouble())]
pub struct ProxyError {
    what: String,
    /// Why.
    pub reason: Reason,
}

/// Why a change was refused.
#[derive(Debug)]
pub enum Reason {
    /// There is no proxy of that name, or it is closed.
    NoSuchProxy,
    /// A proxy of that name is open already.
    ProxyExists,
    /// The address cannot be listened on.
    CannotListen {
        /// The address.
        address: SocketAddr,
        /// What the kernel says.
        error: io::Error,
    },
    /// The proxy has no toxic of that name.
    NoSuchToxic,
    /// The proxy has a toxic of that name.
    ToxicExists,
    /// A toxic cannot turn into one of another kind or direction.
    AnotherToxic,
    /// The toxic acts on requests, and the proxy passes bytes.
    SpeaksTcp,
    /// The toxic acts on bytes, and the proxy passes requests.
    SpeaksHttp,
}

impl ProxyError {
    pub(super) fn new(what: String, reason: Reason) -> Self {
        Self { what, reason }
    }

    fn trouble(&self) -> Trouble {
        let trouble = |why: &str| Trouble::new(&self.what, why);
        match &self.reason {
            Reason::NoSuchProxy => trouble("no proxy of that name is open"),
            Reason::ProxyExists => trouble("a proxy of that name is open"),
            Reason::CannotListen { address, error } => cannot_listen(&self.what, *address, error),
            Reason::NoSuchToxic => trouble("the proxy has no toxic of that name"),
            Reason::ToxicExists => trouble("it has a toxic of that name already").help("give each fault its own name"),
            Reason::AnotherToxic => {
                trouble("a toxic keeps its kind and its direction").help("remove it, and add one of the other kind")
            }
            Reason::SpeaksTcp => trouble("the proxy passes bytes and does not understand requests")
                .help("say `protocol: http` in the proxy's settings"),
            Reason::SpeaksHttp => trouble("the proxy passes requests, and this acts on bytes")
                .help("put a second proxy that speaks TCP before it, and this on that one"),
        }
    }
}

impl From<ProxyError> for Trouble {
    fn from(error: ProxyError) -> Self {
        error.trouble()
    }
}

fn cannot_listen(what: &str, address: SocketAddr, error: &io::Error) -> Trouble {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => Trouble::new(what, "the address is in use").help(format!(
            "port {port} is taken: choose another `listen`, or end the program that holds it \
             (`ss -ltnp sport = :{port}` names it)"
        )),
        ErrorKind::PermissionDenied => Trouble::new(what, error).help(format!(
            "port {port} needs a privilege: choose one from 1024 up, such as {}",
            10_000 + port % 10_000
        )),
        ErrorKind::AddrNotAvailable => Trouble::new(what, error)
            .help(format!("this machine has no address {}: choose 127.0.0.1 or one of its own", address.ip())),
        _ => Trouble::new(what, error),
    }
}
