//! `chaos demo`

use super::arguments::{DemoArguments, HealthCheck, ServiceName};
use super::threads::runtime;
use crate::demo::{self, Breaker, Health, Pool, Retry, Serve, Settings};
use crate::host::clock::Clock;
use crate::host::{output, signals};

pub(super) fn demo(arguments: &DemoArguments) -> anyhow::Result<u8> {
    runtime(2)?.block_on(async {
        let cancel = signals::listen()?;
        let running = demo::start(settings(arguments), Clock::Real).await?;
        let all = [("gateway", running.gateway), ("retriever", running.retriever), ("generator", running.generator)];
        for (name, address) in all {
            let line = address.map(|address| format!("{name} listens on http://{address}\n"));
            output::stdout(&line.unwrap_or_default());
        }
        cancel.wait().await;
        running.shutdown().await;
        Ok(0)
    })
}

fn settings(arguments: &DemoArguments) -> Settings {
    let serves = |name| arguments.serve.contains(&name);
    Settings {
        gateway: arguments.gateway_listen,
        retriever: arguments.retriever_listen,
        generator: arguments.generator_listen,
        retriever_upstream: arguments.retriever.clone(),
        generator_upstream: arguments.generator.clone(),
        serve: Serve {
            gateway: serves(ServiceName::Gateway),
            retriever: serves(ServiceName::Retriever),
            generator: serves(ServiceName::Generator),
        },
        retry: Retry { attempts: arguments.attempts, backoff: arguments.backoff.0 },
        timeout: (!arguments.no_timeout).then_some(arguments.timeout.0),
        breaker: arguments.breaker_failures.map(|failures| Breaker {
            failures,
            cooldown: arguments.breaker_cooldown.0,
            stuck: arguments.stuck_breaker,
        }),
        fallback: arguments.fallback,
        work: arguments.work.0,
        pause: arguments.pause.0,
        maintenance: arguments.maintenance.clone(),
        pool: arguments.pool.map(|places| Pool { places, queue: arguments.queue }),
        health: match arguments.health {
            HealthCheck::Shallow => Health::Shallow,
            HealthCheck::Deep => Health::Deep,
        },
        leak: arguments.leaking_pool,
        redo: arguments.slow_recovery,
    }
}
