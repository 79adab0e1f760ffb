//! `chaos proxy`: the data plane as a server of its own, steered by Toxiproxy's clients.

use std::sync::Arc;

use anyhow::Context;

use super::arguments::ProxyArguments;
use super::threads::runtime;
use crate::host::clock::Clock;
use crate::host::{dice, files, output, signals, this_process};
use crate::proxy::ProxySet;
use crate::proxy::control::{Control, serve};

pub(super) fn proxy(arguments: &ProxyArguments) -> anyhow::Result<u8> {
    this_process::allow_many_open_files();
    let config = arguments
        .config
        .as_deref()
        .map(|path| files::read(path).with_context(|| format!("cannot read {}: nothing was started", path.display())));
    let config = config.transpose()?;
    runtime(2)?.block_on(async {
        let cancel = signals::listen()?;
        let seed = arguments.seed.unwrap_or_else(dice::random_seed);
        let proxies = Arc::new(ProxySet::new(Clock::Real, seed));
        let control = Control::new(Arc::clone(&proxies));
        let loaded = match (&config, &arguments.config) {
            (Some(config), Some(path)) => {
                let loaded = control.load(config).await;
                loaded.map_err(|why| anyhow::anyhow!("{}: {why}: nothing was started", path.display()))?
            }
            _ => Vec::new(),
        };
        let server = serve(control, arguments.listen, Clock::Real).await?;
        if !server.address.ip().is_loopback() {
            output::stderr(&format!(
                "warning: whoever reaches {} can steer these proxies and open ports on this machine\n",
                server.address
            ));
        }
        for (name, address) in loaded {
            output::stdout(&format!("proxy {name} listens on {address}\n"));
        }
        output::stdout(&format!("control listens on http://{} (seed {seed})\n", server.address));
        cancel.wait().await;
        server.shutdown().await;
        for state in proxies.list() {
            proxies.close(&state.proxy.name).await?;
        }
        Ok(0)
    })
}
