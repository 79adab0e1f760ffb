//! What can be switched.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where the gateway listens by default.
pub const GATEWAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where the retriever listens by default.
pub const RETRIEVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);
/// Where the generator listens by default.
pub const GENERATOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9002);

/// The settings of the system under test.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where the gateway listens; port 0 is chosen by the kernel.
    pub gateway: SocketAddr,
    /// Where the retriever listens; port 0 is chosen by the kernel.
    pub retriever: SocketAddr,
    /// Where the generator listens; port 0 is chosen by the kernel.
    pub generator: SocketAddr,
    /// `HOST:PORT` where the gateway reaches the retriever, such as a proxy; where it listens when absent.
    pub retriever_upstream: Option<String>,
    /// `HOST:PORT` where the gateway reaches the generator, such as a proxy; where it listens when absent.
    pub generator_upstream: Option<String>,
    /// Which services run in this process.
    pub serve: Serve,
    /// How often the gateway calls an upstream that fails.
    pub retry: Retry,
    /// How long one call of the gateway may take; as long as it likes when absent, which is a known mistake.
    pub timeout: Option<Duration>,
    /// The circuit breaker before the generator; none when absent.
    pub breaker: Option<Breaker>,
    /// Whether the gateway answers from the documents alone when the generator fails.
    pub fallback: bool,
    /// CPU time that retriever and generator spend on each request beside their own work.
    pub work: Duration,
    /// Time that the generator waits on each request beside its own work, without using the CPU.
    pub pause: Duration,
    /// The generator answers 503 while this file is there.
    pub maintenance: Option<PathBuf>,
    /// How many questions the gateway works on at once; without limit when absent.
    pub pool: Option<Pool>,
    /// What the gateway's `/health` looks at.
    pub health: Health,
    /// A known mistake: a call that fails keeps its connection for ever.
    pub leak: bool,
    /// A known mistake: questions that the generator failed on are asked again, all at once, when it is back.
    pub redo: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gateway: GATEWAY,
            retriever: RETRIEVER,
            generator: GENERATOR,
            retriever_upstream: None,
            generator_upstream: None,
            serve: Serve::ALL,
            retry: Retry::NONE,
            timeout: Some(Duration::from_secs(1)),
            breaker: None,
            fallback: false,
            work: Duration::ZERO,
            pause: Duration::ZERO,
            maintenance: None,
            pool: None,
            health: Health::Shallow,
            leak: false,
            redo: false,
        }
    }
}

/// Which services run in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serve {
    /// The gateway.
    pub gateway: bool,
    /// The retriever.
    pub retriever: bool,
    /// The generator.
    pub generator: bool,
}

impl Serve {
    /// All three.
    pub const ALL: Self = Self { gateway: true, retriever: true, generator: true };
}

/// How often a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Calls at most, the first included; 1 is no retry, and so is 0.
    pub attempts: u32,
    /// The pause before the second call; it doubles for each call after that.
    pub backoff: Duration,
}

impl Retry {
    /// One call, no retry.
    pub const NONE: Self = Self { attempts: 1, backoff: Duration::ZERO };
}

/// When a circuit breaker opens and closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// So many failed calls in a row open it; at least 1.
    pub failures: u32,
    /// How long it stays open before it lets one call try.
    pub cooldown: Duration,
    /// A known mistake: once open it never lets a call try.
    pub stuck: bool,
}

/// How many questions are worked on at once. All of the gateway's questions share the places, whatever they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// So many; at least 1.
    pub places: u32,
    /// So many more may wait for a place; others are refused with 503 at once.
    pub queue: u32,
}

/// What a health check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Only whether the process answers.
    #[default]
    Shallow,
    /// Whether the upstreams answer, too.
    Deep,
}
