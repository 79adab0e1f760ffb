//! All proxies of a run, or of a control server.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{ProxyError, Reason};
use super::listener::{self, Listening, Moved, Shared};
use super::room::Room;
use super::toxics::Toxics;
use super::traffic::{Traffic, TrafficReading};
use super::users::Users;
use crate::host::clock::Clock;
use crate::model::dose::ToxicReading;
use crate::model::experiment::{Protocol, Proxy};
use crate::model::step::{Toxic, ToxicKind};

/// So many closed proxies are remembered for their counters; the first by name are forgotten.
const CLOSED_KEPT: usize = 256;

/// The proxies in this process. Dropping it ends them all without waiting; [`ProxySet::close`] waits.
///
/// Every method may be called at any time from any task. None waits for traffic: what closes, closes at once, but for
/// HTTP requests under way, which have half a second to end.
pub struct ProxySet {
    clock: Clock,
    seed: u64,
    users: Arc<Users>,
    room: Arc<Room>,
    /// By name. A closed one stays, so that its counters can still be read.
    proxies: Mutex<BTreeMap<String, Arc<Entry>>>,
}

/// A proxy as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyState {
    /// Its settings, as they were given or last changed.
    pub proxy: Proxy,
    /// Where it listens, or listened while it was enabled last: the port that the kernel chose for port 0.
    pub address: SocketAddr,
    /// Whether it takes connections.
    pub enabled: bool,
    /// Its toxics, in the order in which they were added.
    pub toxics: Vec<Toxic>,
    /// What passed since it was opened.
    pub traffic: TrafficReading,
}

struct Entry {
    toxics: Arc<Toxics>,
    traffic: Arc<Traffic>,
    /// Closed for good.
    closed: AtomicBool,
    now: Mutex<Now>,
    /// None while it is disabled or closed. Locked while it changes, so that changes of one proxy wait for each other.
    listening: tokio::sync::Mutex<Option<Listening>>,
}

#[derive(Clone)]
struct Now {
    proxy: Proxy,
    address: SocketAddr,
    enabled: bool,
}

impl Entry {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn state(&self) -> ProxyState {
        let Now { proxy, address, enabled } = self.now().clone();
        ProxyState { proxy, address, enabled, toxics: self.toxics.list(), traffic: self.traffic.read() }
    }
}

impl ProxySet {
    /// No proxies yet. Every random choice of their toxics follows from the seed.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self { clock, seed, users: Arc::default(), room: Arc::new(Room::of_this_process()), proxies: Mutex::default() }
    }

    /// A set that refuses further connections above so many.
    #[cfg(test)]
    pub(super) fn with_room(clock: Clock, seed: u64, connections: usize) -> Self {
        Self { room: Arc::new(Room::for_at_most(connections, usize::MAX)), ..Self::new(clock, seed) }
    }

    /// Opens a proxy that passes everything through, and tells where it listens: port 0 is chosen by the kernel.
    ///
    /// # Errors
    /// A proxy of that name is open already, or the address cannot be listened on.
    pub async fn open(&self, proxy: &Proxy) -> Result<SocketAddr, ProxyError> {
        self.admit(proxy, true).await
    }

    /// Takes a proxy in that does not listen until it is enabled. Port 0 is chosen then.
    ///
    /// # Errors
    /// A proxy of that name is open already.
    pub async fn open_disabled(&self, proxy: &Proxy) -> Result<(), ProxyError> {
        self.admit(proxy, false).await.map(drop)
    }

    async fn admit(&self, proxy: &Proxy, enabled: bool) -> Result<SocketAddr, ProxyError> {
        let what = || format!("open proxy {} on {}", proxy.name, proxy.listen);
        let entry = Arc::new(Entry {
            toxics: Arc::new(Toxics::new(&proxy.name, self.seed, Arc::clone(&self.users), self.clock)),
            traffic: Arc::default(),
            closed: AtomicBool::new(false),
            now: Mutex::new(Now { proxy: proxy.clone(), address: proxy.listen, enabled: false }),
            listening: tokio::sync::Mutex::default(),
        });
        let mut listening = entry.listening.lock().await;
        {
            let mut proxies = self.lock();
            if proxies.get(&proxy.name).is_some_and(|entry| !entry.is_closed()) {
                return Err(ProxyError::new(what(), Reason::ProxyExists));
            }
            proxies.insert(proxy.name.clone(), Arc::clone(&entry));
            forget_some(&mut proxies);
        }
        if enabled && let Err(error) = self.listen(&entry, &mut listening).await {
            entry.closed.store(true, Ordering::Release);
            return Err(ProxyError::new(what(), error));
        }
        Ok(entry.now().address)
    }

    /// Listens where the entry says.
    async fn listen(&self, entry: &Entry, listening: &mut Option<Listening>) -> Result<(), Reason> {
        let Now { proxy, address, .. } = entry.now().clone();
        let bound = listener::bind(address).map_err(|error| Reason::CannotListen { address, error })?;
        let address = bound.local_addr().map_err(|error| Reason::CannotListen { address, error })?;
        *listening = Some(Listening::start(bound, self.shared(proxy, entry)));
        let mut now = entry.now();
        (now.address, now.enabled) = (address, true);
        Ok(())
    }

    fn shared(&self, proxy: Proxy, entry: &Entry) -> Arc<Shared> {
        let (toxics, traffic) = (Arc::clone(&entry.toxics), Arc::clone(&entry.traffic));
        Arc::new(Shared::new(proxy, self.clock, toxics, Arc::clone(&self.users), traffic, Arc::clone(&self.room)))
    }

    /// Closes a proxy: first its listener, then its connections. Requests under way have half a second to end; bytes
    /// under way are cut off. One that is not open is no error.
    ///
    /// # Errors
    /// None so far: the wait is bounded, and the end of a socket cannot fail.
    pub async fn close(&self, name: &str) -> Result<(), ProxyError> {
        let entry = self.lock().get(name).cloned();
        if let Some(entry) = entry {
            let mut listening = entry.listening.lock().await;
            stop(&entry, &mut listening).await;
            entry.closed.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Enables a proxy, which listens again where it did, or disables it: its port is freed, connections are refused,
    /// existing ones reset. Toxics stay. One that is so already stays as it is.
    ///
    /// # Errors
    /// There is no such proxy, or the address cannot be listened on any more; then it stays disabled.
    pub async fn set_enabled(&self, name: &str, enabled: bool) -> Result<SocketAddr, ProxyError> {
        let what = || format!("{} proxy {name}", if enabled { "enable" } else { "disable" });
        let entry = self.entry(name, what)?;
        let mut listening = entry.listening.lock().await;
        match (enabled, listening.is_some()) {
            (true, false) => {
                self.listen(&entry, &mut listening).await.map_err(|reason| ProxyError::new(what(), reason))?;
            }
            (false, true) => stop(&entry, &mut listening).await,
            _ => {}
        }
        Ok(entry.now().address)
    }

    /// Changes where a proxy listens and where it connects to. Existing connections are reset, toxics stay, and a
    /// disabled proxy stays disabled. Where nothing changes, nothing happens.
    ///
    /// # Errors
    /// There is no such proxy, or the new address cannot be listened on; then it goes on as it was.
    pub async fn relocate(&self, name: &str, listen: SocketAddr, upstream: &str) -> Result<SocketAddr, ProxyError> {
        let what = || format!("move proxy {name} to {listen}");
        let entry = self.entry(name, what)?;
        let mut listening = entry.listening.lock().await;
        let Now { proxy, address, enabled } = entry.now().clone();
        let target = if listen == proxy.listen { address } else { listen };
        if target == address && upstream == proxy.upstream {
            return Ok(address);
        }
        let moved = Proxy { listen, upstream: upstream.to_owned(), ..proxy.clone() };
        let refuse = |error| ProxyError::new(what(), Reason::CannotListen { address: target, error });
        if listening.is_none() {
            *entry.now() = Now { proxy: moved, address: target, enabled };
            return Ok(target);
        }
        // Bound before the old one is given up, so that a busy address changes nothing.
        let early = if target == address { None } else { Some(listener::bind(target)) };
        let early = match early {
            Some(Err(error)) if target.port() != address.port() => return Err(refuse(error)),
            early => early.and_then(io::Result::ok),
        };
        let Some(old) = listening.take() else { return Ok(address) };
        let Moved { socket, refused } = listener::rebind(old, address, target, early).await;
        let proxy = if refused.is_some() { proxy } else { moved };
        let address = socket.as_ref().and_then(|socket| socket.local_addr().ok()).unwrap_or(address);
        *entry.now() = Now { proxy: proxy.clone(), address, enabled: socket.is_some() };
        *listening = socket.map(|socket| Listening::start(socket, self.shared(proxy, &entry)));
        refused.map_or(Ok(address), |error| Err(refuse(error)))
    }

    /// The proxies that are not closed, by name.
    pub fn list(&self) -> Vec<ProxyState> {
        self.lock().values().filter(|entry| !entry.is_closed()).map(|entry| entry.state()).collect()
    }

    /// One proxy that is not closed.
    pub fn find(&self, name: &str) -> Option<ProxyState> {
        self.lock().get(name).filter(|entry| !entry.is_closed()).map(|entry| entry.state())
    }

    /// Whether a proxy of that name listens.
    pub fn is_open(&self, name: &str) -> bool {
        self.lock().get(name).is_some_and(|entry| !entry.is_closed() && entry.now().enabled && !entry.toxics.is_lost())
    }

    /// Puts a toxic on a proxy, for the connections that exist and for new ones. Which connections it touches is drawn
    /// from the seed, the names and the number of the connection; other toxics' draws stay as they are.
    ///
    /// # Errors
    /// The proxy is not open, has a toxic of that name, or does not speak what the toxic needs.
    pub fn add_toxic(&self, proxy: &str, toxic: &Toxic) -> Result<(), ProxyError> {
        let what = || format!("put toxic {} on proxy {proxy}", toxic.name);
        let entry = self.entry(proxy, what)?;
        let protocol = entry.now().proxy.protocol;
        understands(protocol, &toxic.kind).map_err(|reason| ProxyError::new(what(), reason))?;
        entry.toxics.add(toxic).map_err(|reason| ProxyError::new(what(), reason))
    }

    /// Changes the settings of a toxic. Each connection keeps its draw: with a smaller toxicity some of the touched
    /// ones go free, with a greater one more are touched. What the toxic holds keeps the deadline it was given.
    ///
    /// # Errors
    /// The proxy is not open, has no such toxic, or it is of another kind or direction.
    pub fn update_toxic(&self, proxy: &str, toxic: &Toxic) -> Result<(), ProxyError> {
        let what = || format!("change toxic {} of proxy {proxy}", toxic.name);
        let entry = self.entry(proxy, what)?;
        entry.toxics.update(toxic).map_err(|reason| ProxyError::new(what(), reason))
    }

    /// Takes a toxic off a proxy. Returns at once; what the toxic holds is delivered at once and in order. A toxic or
    /// a proxy that is not there is no error.
    ///
    /// # Errors
    /// None so far.
    pub fn remove_toxic(&self, proxy: &str, toxic: &str) -> Result<(), ProxyError> {
        if let Some(entry) = self.lock().get(proxy) {
            entry.toxics.remove(toxic);
        }
        Ok(())
    }

    /// Whether a toxic is on an open proxy, or was taken off and still has effect: a listener that was down and does
    /// not listen again yet.
    pub fn has_toxic(&self, proxy: &str, toxic: &str) -> bool {
        self.lock().get(proxy).is_some_and(|entry| !entry.is_closed() && entry.toxics.has(toxic))
    }

    /// The counters of a toxic since it was added, also after its removal and after the proxy was closed.
    pub fn reading(&self, proxy: &str, toxic: &str) -> Option<ToxicReading> {
        self.lock().get(proxy)?.toxics.reading(toxic)
    }

    /// Distinct users that any toxic of this set has touched so far.
    pub fn affected_users(&self) -> u64 {
        self.users.count()
    }

    fn entry(&self, name: &str, what: impl Fn() -> String) -> Result<Arc<Entry>, ProxyError> {
        let entry = self.lock().get(name).filter(|entry| !entry.is_closed()).cloned();
        entry.ok_or_else(|| ProxyError::new(what(), Reason::NoSuchProxy))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Entry>>> {
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn stop(entry: &Entry, listening: &mut Option<Listening>) {
    if let Some(old) = listening.take() {
        entry.now().enabled = false;
        old.close().await;
    }
}

fn forget_some(proxies: &mut BTreeMap<String, Arc<Entry>>) {
    let closed: Vec<String> =
        proxies.iter().filter(|(_, entry)| entry.is_closed()).map(|(name, _)| name.clone()).collect();
    for name in closed.iter().rev().skip(CLOSED_KEPT) {
        proxies.remove(name);
    }
}

fn understands(protocol: Protocol, kind: &ToxicKind) -> Result<(), Reason> {
    match (protocol, kind) {
        (_, ToxicKind::Latency { .. } | ToxicKind::Down) | (Protocol::Http, ToxicKind::Http { .. }) => Ok(()),
        (Protocol::Tcp, ToxicKind::Http { .. }) => Err(Reason::SpeaksTcp),
        (Protocol::Http, _) => Err(Reason::SpeaksHttp),
        (Protocol::Tcp, _) => Ok(()),
    }
}
