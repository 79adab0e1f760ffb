//! What there is to say of every fault, each by itself, in the order of [`FaultKind::WORDS`]: the length of that list is
//! the length of this one, so that the compiler asks for the words of a new fault.

use super::{
    cpu_limit, cpu_stress, disk_fill, disk_stress, fd_exhaust, http_abort, http_corrupt, http_duplicate, http_error,
    http_latency, http_slow_body, http_timeout, io_limit, memory_limit, memory_stress, network_bandwidth,
    network_blackhole, network_disconnect, network_down, network_latency, network_limit_data, network_slice,
    network_slow_close, pids_limit, process_exec, process_kill, process_pause, process_slow,
};
use crate::model::about::About;
use crate::model::fault::FaultKind;

/// The catalogue: what every fault says of itself.
pub static CATALOGUE: [About; FaultKind::WORDS.len()] = [
    network_latency::ABOUT,
    network_bandwidth::ABOUT,
    network_disconnect::ABOUT,
    network_blackhole::ABOUT,
    network_slow_close::ABOUT,
    network_slice::ABOUT,
    network_limit_data::ABOUT,
    network_down::ABOUT,
    http_error::ABOUT,
    http_latency::ABOUT,
    http_abort::ABOUT,
    http_timeout::ABOUT,
    http_corrupt::ABOUT,
    http_duplicate::ABOUT,
    http_slow_body::ABOUT,
    cpu_stress::ABOUT,
    memory_stress::ABOUT,
    disk_stress::ABOUT,
    disk_fill::ABOUT,
    cpu_limit::ABOUT,
    memory_limit::ABOUT,
    io_limit::ABOUT,
    pids_limit::ABOUT,
    process_kill::ABOUT,
    process_pause::ABOUT,
    process_slow::ABOUT,
    fd_exhaust::ABOUT,
    process_exec::ABOUT,
];

#[cfg(test)]
mod tests {
    use super::{CATALOGUE, FaultKind};

    #[test]
    fn it_stands_in_the_order_of_the_words() {
        assert_eq!(CATALOGUE.each_ref().map(|about| about.word), FaultKind::WORDS);
    }

    #[test]
    fn every_text_says_something_and_none_is_a_sentence_of_its_own() {
        for about in &CATALOGUE {
            let texts = [about.summary, about.breaks, about.mechanism, about.privileges, about.dose, about.undo];
            for text in texts.into_iter().chain([about.remains]) {
                let plain = !text.is_empty() && text == text.trim() && !text.ends_with('.') && !text.contains("  ");
                assert!(plain, "{}: `{text}`", about.word);
            }
        }
    }
}
