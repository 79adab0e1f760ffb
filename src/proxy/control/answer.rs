//! What is asked, done: every call of the API as one function over the proxies.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::route::Route;
use super::wire::{self, ProxyInput, ProxyOutput, ToxicInput};
use super::{metrics, toxic};
use crate::model::experiment::{Protocol, Proxy};
use crate::model::step::Toxic;
use crate::proxy::{ProxySet, ProxyState};

/// What `/version` says: the version of Toxiproxy whose API this is.
const VERSION: &str = "2.12.0";

/// The calls of the API.
pub struct Control {
    proxies: Arc<ProxySet>,
}

/// What is answered.
#[derive(Debug)]
pub(super) enum Answer {
    Json(StatusCode, Value),
    Metrics(String),
    Nothing,
}

impl Answer {
    fn ok(value: &impl Serialize) -> Result<Self, ApiError> {
        Self::with(StatusCode::OK, value)
    }

    fn with(status: StatusCode, value: &impl Serialize) -> Result<Self, ApiError> {
        serde_json::to_value(value).map(|value| Self::Json(status, value)).map_err(ApiError::bad_body)
    }
}

impl Control {
    /// Over these proxies.
    pub const fn new(proxies: Arc<ProxySet>) -> Self {
        Self { proxies }
    }

    /// Does what a call asks.
    pub(super) async fn answer(&self, route: Route, body: &[u8]) -> Result<Answer, ApiError> {
        match route {
            Route::ListProxies => self.list_proxies(),
            Route::CreateProxy => self.create_proxy(body).await,
            Route::Populate => Ok(self.populate(body).await),
            Route::ShowProxy(name) => Answer::ok(&ProxyOutput::from(&self.find(&name)?)),
            Route::UpdateProxy(name) => self.update_proxy(&name, body).await,
            Route::DeleteProxy(name) => self.delete_proxy(&name).await,
            Route::ListToxics(proxy) => Answer::ok(&wire::toxics(&self.find(&proxy)?.toxics)),
            Route::CreateToxic(proxy) => self.create_toxic(&proxy, body),
            Route::ShowToxic(proxy, name) => shown(&self.find_toxic(&proxy, &name)?),
            Route::UpdateToxic(proxy, name) => self.update_toxic(&proxy, &name, body),
            Route::DeleteToxic(proxy, name) => self.delete_toxic(&proxy, &name),
            Route::Reset => self.reset().await,
            Route::Version => Answer::ok(&json!({ "version": VERSION })),
            Route::Metrics => Ok(Answer::Metrics(metrics::text(&self.proxies.list()))),
        }
    }

    /// Takes in the proxies of a file in Toxiproxy's format, all of them or, at the first that fails, none more; tells
    /// where those listen that it took in.
    ///
    /// # Errors
    /// What the API would answer, as text.
    pub async fn load(&self, config: &[u8]) -> Result<Vec<(String, SocketAddr)>, String> {
        let (taken, error) = self.take_in(config).await;
        match error {
            Some(error) => Err(error.text),
            None => Ok(taken.into_iter().map(|state| (state.proxy.name, state.address)).collect()),
        }
    }

    fn list_proxies(&self) -> Result<Answer, ApiError> {
        let all = self.proxies.list();
        let by_name = all.iter().map(|state| (state.proxy.name.as_str(), ProxyOutput::from(state)));
        Answer::ok(&by_name.collect::<std::collections::BTreeMap<_, _>>())
    }

    async fn create_proxy(&self, body: &[u8]) -> Result<Answer, ApiError> {
        let input: ProxyInput = wire::read(body)?;
        let state = self.create(Wanted::read(input, "")?).await?;
        Answer::with(StatusCode::CREATED, &ProxyOutput::from(&state))
    }

    /// A proxy and its toxics, both or none.
    async fn create(&self, wanted: Wanted) -> Result<ProxyState, ApiError> {
        let Wanted { name, upstream, listen, protocol, enabled, toxics } = wanted;
        let listen = resolved(&listen).await?;
        let proxy = Proxy { name: name.clone(), listen, upstream, protocol, users: None };
        // Nothing passes before its toxics are there.
        self.proxies.open_disabled(&proxy).await?;
        let finished = async {
            toxics.iter().try_for_each(|toxic| self.proxies.add_toxic(&name, toxic))?;
            if enabled {
                self.proxies.set_enabled(&name, true).await?;
            }
            self.find(&name)
        };
        match finished.await {
            Ok(state) => Ok(state),
            Err(error) => {
                self.proxies.close(&name).await?;
                Err(error)
            }
        }
    }

    /// The answer carries what succeeded beside the error.
    async fn populate(&self, body: &[u8]) -> Answer {
        let (taken, error) = self.take_in(body).await;
        let proxies: Vec<ProxyOutput> = taken.iter().map(ProxyOutput::from).collect();
        let (status, mut answer) = match error {
            None => (StatusCode::CREATED, json!({})),
            Some(error) => (error.status, error.body()),
        };
        answer["proxies"] = serde_json::to_value(proxies).unwrap_or_default();
        Answer::Json(status, answer)
    }

    async fn take_in(&self, body: &[u8]) -> (Vec<ProxyState>, Option<ApiError>) {
        let mut taken = Vec::new();
        let wanted = match all_wanted(body) {
            Ok(wanted) => wanted,
            Err(error) => return (taken, Some(error)),
        };
        for one in wanted {
            match self.add_or_replace(one).await {
                Ok(state) => taken.push(state),
                Err(error) => return (taken, Some(error)),
            }
        }
        (taken, None)
    }

    /// One that is there and agrees is left untouched, with its toxics.
    async fn add_or_replace(&self, wanted: Wanted) -> Result<ProxyState, ApiError> {
        if let Some(there) = self.proxies.find(&wanted.name) {
            let listen = resolved(&wanted.listen).await?;
            let same_place = listen == there.address || listen == there.proxy.listen;
            let same = wanted.upstream == there.proxy.upstream && wanted.protocol == there.proxy.protocol;
            if same_place && same {
                return Ok(there);
            }
            self.proxies.close(&wanted.name).await?;
        }
        self.create(wanted).await
    }

    async fn update_proxy(&self, name: &str, body: &[u8]) -> Result<Answer, ApiError> {
        let there = self.find(name)?;
        let input: ProxyInput = wire::read(body)?;
        if input.protocol.is_some_and(|protocol| protocol != there.proxy.protocol) {
            return Err(ApiError::bad_body("a proxy keeps its protocol: delete it, and create one with the other"));
        }
        let listen = match &input.listen {
            Some(listen) => resolved(listen).await?,
            None => there.address,
        };
        let upstream = input.upstream.filter(|upstream| !upstream.is_empty());
        let upstream = upstream.as_deref().unwrap_or(&there.proxy.upstream);
        let enabled = input.enabled.unwrap_or(there.enabled);
        // A proxy that is to be off is moved when it is off already.
        if !enabled {
            self.proxies.set_enabled(name, false).await?;
        }
        self.proxies.relocate(name, listen, upstream).await?;
        if enabled {
            self.proxies.set_enabled(name, true).await?;
        }
        Answer::ok(&ProxyOutput::from(&self.find(name)?))
    }

    async fn delete_proxy(&self, name: &str) -> Result<Answer, ApiError> {
        self.find(name)?;
        self.proxies.close(name).await?;
        Ok(Answer::Nothing)
    }

    fn create_toxic(&self, proxy: &str, body: &[u8]) -> Result<Answer, ApiError> {
        self.find(proxy)?;
        let toxic = toxic::created(wire::read(body)?)?;
        self.proxies.add_toxic(proxy, &toxic)?;
        shown(&toxic)
    }

    fn update_toxic(&self, proxy: &str, name: &str, body: &[u8]) -> Result<Answer, ApiError> {
        let toxic = self.find_toxic(proxy, name)?;
        let toxic = toxic::updated(&toxic, wire::read::<ToxicInput>(body)?)?;
        self.proxies.update_toxic(proxy, &toxic)?;
        shown(&toxic)
    }

    fn delete_toxic(&self, proxy: &str, name: &str) -> Result<Answer, ApiError> {
        self.find_toxic(proxy, name)?;
        self.proxies.remove_toxic(proxy, name)?;
        Ok(Answer::Nothing)
    }

    /// All proxies on, all toxics off. One that cannot be enabled keeps nobody else from it.
    async fn reset(&self) -> Result<Answer, ApiError> {
        let mut outcome = Ok(Answer::Nothing);
        for ProxyState { proxy, toxics, .. } in self.proxies.list() {
            for toxic in toxics {
                self.proxies.remove_toxic(&proxy.name, &toxic.name)?;
            }
            if let Err(error) = self.proxies.set_enabled(&proxy.name, true).await {
                outcome = Err(error.into());
            }
        }
        outcome
    }

    fn find(&self, proxy: &str) -> Result<ProxyState, ApiError> {
        self.proxies.find(proxy).ok_or_else(ApiError::proxy_not_found)
    }

    fn find_toxic(&self, proxy: &str, name: &str) -> Result<Toxic, ApiError> {
        let toxics = self.find(proxy)?.toxics;
        toxics.into_iter().find(|toxic| toxic.name == name).ok_or_else(ApiError::toxic_not_found)
    }
}

fn shown(toxic: &Toxic) -> Result<Answer, ApiError> {
    Answer::ok(&wire::toxic_output(toxic).ok_or_else(ApiError::toxic_not_found)?)
}

/// A proxy that is asked for, read and checked before anything is done.
#[derive(Debug)]
struct Wanted {
    name: String,
    upstream: String,
    listen: String,
    protocol: Protocol,
    enabled: bool,
    toxics: Vec<Toxic>,
}

impl Wanted {
    /// `place` says which of several it is, for the error.
    fn read(input: ProxyInput, place: &str) -> Result<Self, ApiError> {
        let missing = |field: &str| ApiError::missing(&format!("{field}{place}"));
        if input.name.is_empty() {
            return Err(missing("name"));
        }
        let upstream = input.upstream.filter(|upstream| !upstream.is_empty()).ok_or_else(|| missing("upstream"))?;
        let toxics: Vec<Toxic> =
            input.toxics.unwrap_or_default().into_iter().map(toxic::created).collect::<Result<_, _>>()?;
        let names: BTreeSet<&str> = toxics.iter().map(|toxic| toxic.name.as_str()).collect();
        if names.len() < toxics.len() {
            return Err(ApiError::toxic_exists());
        }
        let (listen, protocol) = (input.listen.unwrap_or_default(), input.protocol.unwrap_or_default());
        Ok(Self { name: input.name, upstream, listen, protocol, enabled: input.enabled.unwrap_or(true), toxics })
    }
}

/// All of a list, checked before anything is done.
fn all_wanted(body: &[u8]) -> Result<Vec<Wanted>, ApiError> {
    let inputs: Vec<ProxyInput> = wire::read(body)?;
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for (place, input) in inputs.into_iter().enumerate() {
        let wanted = Wanted::read(input, &format!(" at proxy {}", place + 1))?;
        if !names.insert(wanted.name.clone()) {
            return Err(ApiError::duplicate(&wanted.name));
        }
        all.push(wanted);
    }
    Ok(all)
}

/// `HOST:PORT` as an address. Nothing before the port is loopback: who wants every interface says `0.0.0.0` or `[::]`.
async fn resolved(listen: &str) -> Result<SocketAddr, ApiError> {
    let text = match listen {
        "" => "127.0.0.1:0".to_owned(),
        port if port.starts_with(':') => format!("127.0.0.1{port}"),
        other => other.to_owned(),
    };
    let found = tokio::net::lookup_host(&text).await.map_err(|error| ApiError::cannot_resolve(listen, error))?;
    let all: Vec<SocketAddr> = found.collect();
    // As most clients do with `localhost`: the older kind first.
    let first = all.iter().find(|address| address.is_ipv4()).or_else(|| all.first());
    first.copied().ok_or_else(|| ApiError::cannot_resolve(listen, "it has no address"))
}
