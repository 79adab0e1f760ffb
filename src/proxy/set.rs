//! All proxies of a run.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::listener::{self, Listening, Shared};
use super::toxics::Toxics;
use super::users::Users;
use crate::host::Trouble;
use crate::host::clock::Clock;
use crate::model::dose::ToxicReading;
use crate::model::experiment::{Protocol, Proxy};
use crate::model::step::{Toxic, ToxicKind};

/// The proxies of a run, in this process. Dropping it ends them all without waiting; [`ProxySet::close`] waits.
pub struct ProxySet {
    clock: Clock,
    seed: u64,
    users: Arc<Users>,
    /// By name. A closed one stays, so that its counters can still be read.
    proxies: Mutex<BTreeMap<String, Arc<Entry>>>,
}

struct Entry {
    shared: Arc<Shared>,
    /// None once it is closed; locked while it closes, so that everyone who closes it waits for the end.
    listening: tokio::sync::Mutex<Option<Listening>>,
}

impl ProxySet {
    /// No proxies yet. Every random choice of their toxics follows from the seed.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self { clock, seed, users: Arc::default(), proxies: Mutex::default() }
    }

    /// Opens a proxy that passes everything through, and tells where it listens.
    ///
    /// # Errors
    /// A proxy of that name is open already, or the address cannot be listened on.
    pub async fn open(&self, proxy: &Proxy) -> Result<SocketAddr, Trouble> {
        let what = || format!("open proxy {} on {}", proxy.name, proxy.listen);
        if self.is_open(&proxy.name) {
            return Err(Trouble::new(what(), "a proxy of that name is open"));
        }
        let bound = listener::bind(proxy.listen).await;
        let (listener, address) = bound.map_err(|error| cannot_listen(what(), proxy.listen, &error))?;
        let toxics = Arc::new(Toxics::new(&proxy.name, self.seed, Arc::clone(&self.users)));
        let shared = Arc::new(Shared::new(proxy.clone(), self.clock, toxics, Arc::clone(&self.users)));
        let listening = Listening::start(listener, Arc::clone(&shared));
        let entry = Entry { shared, listening: tokio::sync::Mutex::new(Some(listening)) };
        self.lock().insert(proxy.name.clone(), Arc::new(entry));
        Ok(address)
    }

    /// Closes a proxy: first its listener, then its connections. Requests under way have half a second to end; bytes
    /// under way are cut off. One that is not open is no error.
    ///
    /// # Errors
    /// None so far: the wait is bounded, and the end of a socket cannot fail.
    pub async fn close(&self, name: &str) -> Result<(), Trouble> {
        let entry = self.lock().get(name).cloned();
        if let Some(entry) = entry
            && let Some(listening) = entry.listening.lock().await.take()
        {
            listening.close().await;
        }
        Ok(())
    }

    /// Whether a proxy of that name listens.
    pub fn is_open(&self, name: &str) -> bool {
        self.lock().get(name).is_some_and(|entry| entry.shared.is_listening())
    }

    /// Puts a toxic on a proxy, for the connections that exist and for new ones.
    ///
    /// # Errors
    /// The proxy is not open, has a toxic of that name, or does not speak what the toxic needs.
    pub fn add_toxic(&self, proxy: &str, toxic: &Toxic) -> Result<(), Trouble> {
        let what = || format!("put toxic {} on proxy {proxy}", toxic.name);
        let entry = self.lock().get(proxy).cloned().filter(|entry| entry.shared.is_listening());
        let entry = entry.ok_or_else(|| Trouble::new(what(), "no proxy of that name is open"))?;
        if matches!(toxic.kind, ToxicKind::Http { .. }) && entry.shared.proxy.protocol == Protocol::Tcp {
            let trouble = Trouble::new(what(), "the proxy passes bytes and does not understand requests");
            return Err(trouble.help("say `protocol: http` in the proxy's settings"));
        }
        entry.shared.toxics.add(toxic)
    }

    /// Takes a toxic off a proxy. Returns at once; what the toxic holds is delivered at once and in order. A toxic or
    /// a proxy that is not there is no error.
    ///
    /// # Errors
    /// None so far.
    pub fn remove_toxic(&self, proxy: &str, toxic: &str) -> Result<(), Trouble> {
        if let Some(entry) = self.lock().get(proxy) {
            entry.shared.toxics.remove(toxic);
        }
        Ok(())
    }

    /// Whether a toxic is on an open proxy.
    pub fn has_toxic(&self, proxy: &str, toxic: &str) -> bool {
        self.lock().get(proxy).is_some_and(|entry| entry.shared.is_listening() && entry.shared.toxics.has(toxic))
    }

    /// The counters of a toxic since it was added, also after its removal and after the proxy was closed.
    pub fn reading(&self, proxy: &str, toxic: &str) -> Option<ToxicReading> {
        self.lock().get(proxy)?.shared.toxics.reading(toxic)
    }

    /// Distinct users that any toxic of this set has touched so far.
    pub fn affected_users(&self) -> u64 {
        self.users.count()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Entry>>> {
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot_listen(what: String, address: SocketAddr, error: &io::Error) -> Trouble {
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
