//! Waiting until a service is ready: by asking it, never by sleeping long enough.

use std::sync::Arc;
use std::time::Duration;

use crate::host::service::Services;
use crate::host::{Prober, Trouble};
use crate::model::experiment::Service;
use crate::model::probe::{HttpProbe, OnNoData, ProbeKind, ProbeSpec, TcpProbe};
use crate::model::sample::Outcome;
use crate::model::units::Timespan;
use crate::probe::{Surroundings, prepare};

const PAUSE: Duration = Duration::from_millis(25);

/// Returns once the service answers; a service that ends or takes too long is a trouble that says how it was.
pub(super) async fn awaited(service: &Service, services: &Services, around: &Surroundings) -> Result<(), Trouble> {
    let Some(ready) = &service.ready else { return Ok(()) };
    let prober = prepare(&looking_at(service, ready), around)?;
    let what = format!("wait for service {} at {ready}", service.name);
    let began = around.clock.now();
    loop {
        let answer = prober.take().await;
        if let Some(how) = services.ended(&service.name).filter(|_| !service.restart) {
            return Err(Trouble::new(what, format!("it ended: {how}")).help(see_log(service, services)));
        }
        if answer.outcome == Outcome::Ok {
            return Ok(());
        }
        if around.clock.now().saturating_duration_since(began) >= service.ready_within.0 {
            let last = answer.detail.unwrap_or_else(|| answer.outcome.word().to_owned());
            let why = format!("not ready within {} ({last})", service.ready_within);
            return Err(Trouble::new(what, why).help(see_log(service, services)));
        }
        around.clock.sleep(PAUSE).await;
    }
}

/// Whether it answers now.
pub(super) async fn now(service: &Service, around: &Surroundings) -> Result<bool, Trouble> {
    let Some(ready) = &service.ready else { return Ok(true) };
    let prober: Arc<dyn Prober> = prepare(&looking_at(service, ready), around)?;
    Ok(prober.take().await.outcome == Outcome::Ok)
}

fn see_log(service: &Service, services: &Services) -> String {
    format!("its output is in {}", services.log(&service.name).display())
}

fn looking_at(service: &Service, ready: &str) -> ProbeSpec {
    let kind = if ready.contains("://") {
        ProbeKind::Http(HttpProbe::get(ready.to_owned()))
    } else {
        ProbeKind::Tcp(TcpProbe { address: ready.to_owned() })
    };
    ProbeSpec {
        name: format!("readiness of {}", service.name),
        kind,
        interval: Timespan(PAUSE),
        timeout: Timespan::seconds(1),
        expect: Vec::new(),
        on_no_data: OnNoData::Continue,
        independent_of: Vec::new(),
    }
}
