//! Which settings belong to which word in `fault:` and `probe:`. The one table that reading, hints, the catalogue and
//! the JSON schema come from.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::decode::{Decoder, Keys, Names, fields_of};
use super::schema;
use super::suggest::nearest;
use super::tree::NodeId;
use crate::model::fault::{
    CpuLimit, CpuStress, DiskFill, DiskStress, FaultKind, FdExhaust, IoLimit, MemoryLimit, MemoryStress,
    NetworkBandwidth, NetworkBlackhole, NetworkDisconnect, NetworkDown, NetworkLatency, NetworkLimitData, NetworkSlice,
    NetworkSlowClose, PidsLimit, ProcessExec, ProcessKill, ProcessPause, ProcessSlow,
};
use crate::model::http::{HttpAbort, HttpCorrupt, HttpDuplicate, HttpError, HttpLatency, HttpSlowBody, HttpTimeout};
use crate::model::probe::{CommandProbe, HostProbe, HttpProbe, ProbeKind, ProcessProbe, PrometheusProbe, TcpProbe};

/// One word and the settings behind it.
pub struct Entry<K: 'static> {
    /// The word in the file.
    pub word: &'static str,
    /// The names of its settings.
    fields: fn() -> Names,
    /// Reads its settings from a flat mapping.
    read: fn(&Decoder<'_>, NodeId, Keys) -> Option<K>,
    /// How its settings are described.
    pub schema: fn() -> Value,
}

impl<K> Entry<K> {
    /// The names of its settings, in the order of their struct.
    pub fn names(&self) -> Names {
        (self.fields)()
    }
}

macro_rules! entry {
    ($word:literal, $kind:path, $settings:ty) => {
        Entry {
            word: $word,
            fields: fields_of::<$settings>,
            read: |decoder, node, keys| decoder.read_flat::<$settings>(node, keys).map($kind),
            schema: schema::of::<$settings>,
        }
    };
}

/// The faults, in the order of [`FaultKind::WORDS`].
pub static FAULTS: [Entry<FaultKind>; 28] = [
    entry!("network.latency", FaultKind::NetworkLatency, NetworkLatency),
    entry!("network.bandwidth", FaultKind::NetworkBandwidth, NetworkBandwidth),
    entry!("network.disconnect", FaultKind::NetworkDisconnect, NetworkDisconnect),
    entry!("network.blackhole", FaultKind::NetworkBlackhole, NetworkBlackhole),
    entry!("network.slow_close", FaultKind::NetworkSlowClose, NetworkSlowClose),
    entry!("network.slice", FaultKind::NetworkSlice, NetworkSlice),
    entry!("network.limit_data", FaultKind::NetworkLimitData, NetworkLimitData),
    entry!("network.down", FaultKind::NetworkDown, NetworkDown),
    entry!("http.error", FaultKind::HttpError, HttpError),
    entry!("http.latency", FaultKind::HttpLatency, HttpLatency),
    entry!("http.abort", FaultKind::HttpAbort, HttpAbort),
    entry!("http.timeout", FaultKind::HttpTimeout, HttpTimeout),
    entry!("http.corrupt", FaultKind::HttpCorrupt, HttpCorrupt),
    entry!("http.duplicate", FaultKind::HttpDuplicate, HttpDuplicate),
    entry!("http.slow_body", FaultKind::HttpSlowBody, HttpSlowBody),
    entry!("cpu.stress", FaultKind::CpuStress, CpuStress),
    entry!("memory.stress", FaultKind::MemoryStress, MemoryStress),
    entry!("disk.stress", FaultKind::DiskStress, DiskStress),
    entry!("disk.fill", FaultKind::DiskFill, DiskFill),
    entry!("cpu.limit", FaultKind::CpuLimit, CpuLimit),
    entry!("memory.limit", FaultKind::MemoryLimit, MemoryLimit),
    entry!("io.limit", FaultKind::IoLimit, IoLimit),
    entry!("pids.limit", FaultKind::PidsLimit, PidsLimit),
    entry!("process.kill", FaultKind::ProcessKill, ProcessKill),
    entry!("process.pause", FaultKind::ProcessPause, ProcessPause),
    entry!("process.slow", FaultKind::ProcessSlow, ProcessSlow),
    entry!("fd.exhaust", FaultKind::FdExhaust, FdExhaust),
    entry!("process.exec", FaultKind::ProcessExec, ProcessExec),
];

/// The probes, in the order of [`ProbeKind::WORDS`].
pub static PROBES: [Entry<ProbeKind>; 6] = [
    entry!("http", ProbeKind::Http, HttpProbe),
    entry!("tcp", ProbeKind::Tcp, TcpProbe),
    entry!("command", ProbeKind::Command, CommandProbe),
    entry!("process", ProbeKind::Process, ProcessProbe),
    entry!("host", ProbeKind::Host, HostProbe),
    entry!("prometheus", ProbeKind::Prometheus, PrometheusProbe),
];

/// The names of all settings of all faults, each once.
pub fn settings_of_faults() -> Vec<&'static str> {
    let mut settings: Vec<&str> = FAULTS.iter().flat_map(|fault| (fault.fields)()).copied().collect();
    settings.sort_unstable();
    settings.dedup();
    settings
}

/// An entry of a flat list, read once as what all of them have in common and once as the settings of its kind.
pub struct Flat<C, K> {
    /// What all of them have in common.
    pub common: Option<C>,
    /// The settings, where the word is known.
    pub kind: Option<K>,
}

/// Reads an entry whose word stands under `key`. A word that is only nearly known is read as what was meant, so that
/// the problems of its settings are found in the same go; telling that it is unknown is left to the caller.
pub fn read_flat<C: DeserializeOwned, K>(
    decoder: &Decoder<'_>,
    node: NodeId,
    key: &str,
    table: &'static [Entry<K>],
) -> Flat<C, K> {
    let word = decoder.tree.get(node, key).and_then(|word| decoder.tree.scalar(word));
    let meant = word.and_then(|word| nearest(&word.text, table.iter().map(|entry| entry.word)));
    let Some(entry) = meant.and_then(|meant| table.iter().find(|entry| entry.word == meant)) else {
        let keys = Keys { lenient: true, ..Keys::default() };
        return Flat { common: decoder.read_flat(node, keys), kind: None };
    };
    let others = table.iter().filter(|other| other.word != entry.word);
    let mut keys = Keys {
        beside: (entry.fields)(),
        elsewhere: others.map(|other| (other.word, (other.fields)())).collect(),
        owner: format!("`{key}: {}`", entry.word),
        lenient: false,
    };
    let common = decoder.read_flat(node, keys.clone());
    keys.beside = fields_of::<C>();
    Flat { common, kind: (entry.read)(decoder, node, keys) }
}

#[cfg(test)]
mod tests {
    use super::{FAULTS, FaultKind, PROBES, ProbeKind};

    #[test]
    fn the_tables_list_what_the_model_lists() {
        assert_eq!(FAULTS.each_ref().map(|entry| entry.word), FaultKind::WORDS);
        assert_eq!(PROBES.each_ref().map(|entry| entry.word), ProbeKind::WORDS);
        assert_eq!((FAULTS[0].fields)(), ["delay", "jitter", "distribution", "stream", "share"]);
    }
}
