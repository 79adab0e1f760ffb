//! The open loop: sample k is sent at `first + k * interval`, whatever became of the ones before it, and its latency
//! counts from there. A closed loop would wait out a stall with one slow sample; here every sample that the stall
//! delayed says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet, coop};
use tokio::time::Instant;

use super::in_flight::InFlight;
use super::recorder::Recorder;
use crate::host::Prober;
use crate::host::beat::Beat;
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Measurement, Outcome};

/// How long after its timeout a prober may still say by itself how it ended, before it is dropped.
const GRACE: Duration = Duration::from_millis(250);
/// More samples than this are never in flight at once, whatever the rate and the timeout ask for.
const MOST_IN_FLIGHT: usize = 16_384;
/// Room for bursts beyond what the rate and the timeout explain.
const SPARE_IN_FLIGHT: usize = 16;
/// The first samples of the probes are spread over at most this long.
const WIDEST_OFFSET: Duration = Duration::from_millis(100);

/// A schedule that is running.
#[must_use = "a schedule runs until it is stopped; dropping it gives up the samples in flight"]
#[derive(Debug)]
pub struct Scheduled {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Scheduled {
    /// Sends no more, and waits for what is in flight: at most the probe's timeout and a quarter of a second. When
    /// this future is dropped before it is done, what is still in flight is given up.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // The receiver is gone only when the task has ended; then there is nothing to stop.
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }

    /// Sends no more and gives up what is in flight; each sample given up is reported as no data.
    pub fn abort(self) {
        drop(self);
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts to take samples of the probe at place `probe` of the experiment, and records every one of them.
///
/// Needs a Tokio runtime. When the machine stalls, the samples it missed are sent at once with their own intended
/// times. When too many are in flight, a sample is recorded as [`Outcome::Saturated`] and not sent.
pub fn start(probe: usize, spec: &ProbeSpec, prober: Arc<dyn Prober>, recorder: &Recorder) -> Scheduled {
    let (stop, stopped) = oneshot::channel();
    let interval = spec.interval.0.max(Duration::from_nanos(1));
    let schedule = Schedule {
        probe,
        prober,
        recorder: recorder.clone(),
        first: recorder.clock.now() + offset(probe, interval),
        interval,
        timeout: spec.timeout.0,
        limit: most_in_flight(interval, spec.timeout.0),
    };
    Scheduled { stop: Some(stop), task: tokio::spawn(schedule.run(stopped)) }
}

/// Spreads the probes' first samples by the golden ratio, so that probes of one interval do not send in step.
fn offset(probe: usize, interval: Duration) -> Duration {
    let part = (probe as f64 * 0.618_033_988_749_895).fract();
    interval.min(WIDEST_OFFSET).mul_f64(part)
}

/// When nothing answers, `timeout / interval` samples are in flight: that many must fit, or an outage of the target
/// would look like a failure of ours.
fn most_in_flight(interval: Duration, timeout: Duration) -> usize {
    let lasting = (timeout + GRACE).as_nanos().div_ceil(interval.as_nanos().max(1));
    usize::try_from(lasting).unwrap_or(usize::MAX).saturating_add(SPARE_IN_FLIGHT).min(MOST_IN_FLIGHT)
}

struct Schedule {
    probe: usize,
    prober: Arc<dyn Prober>,
    recorder: Recorder,
    first: Instant,
    interval: Duration,
    timeout: Duration,
    limit: usize,
}

impl Schedule {
    async fn run(self, mut stopped: oneshot::Receiver<()>) {
        let mut in_flight = JoinSet::new();
        let beat = Beat::new(self.recorder.clock, self.first, self.interval);
        for number in 0.. {
            let intended = self.intended(number);
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = beat.reach(intended) => self.send(intended, &mut in_flight),
            }
            // While it catches up nothing above has to wait: let the samples run, too.
            coop::consume_budget().await;
        }
        while in_flight.join_next().await.is_some() {}
    }

    /// Absolute, so that delays do not add up.
    fn intended(&self, number: u64) -> Instant {
        let nanos = self.interval.as_nanos().saturating_mul(u128::from(number));
        self.first + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn send(&self, intended: Instant, in_flight: &mut JoinSet<()>) {
        while in_flight.try_join_next().is_some() {}
        if in_flight.len() < self.limit {
            let sample = InFlight::new(self.recorder.clone(), self.probe, intended);
            in_flight.spawn(take(sample, Arc::clone(&self.prober), self.timeout));
            return;
        }
        let now = self.recorder.clock.now();
        let detail = format!("{} samples are in flight", in_flight.len());
        self.recorder.record(self.probe, [intended, now, now], Measurement::failed(Outcome::Saturated, detail));
    }
}

/// Takes one sample; a prober that does not end by itself is dropped.
async fn take(mut sample: InFlight, prober: Arc<dyn Prober>, timeout: Duration) {
    let clock = sample.clock();
    let deadline = sample.send() + timeout;
    let measurement = tokio::select! {
        biased;
        measurement = prober.take() => measurement,
        () = clock.patience_until(deadline + GRACE) => Measurement::failed(Outcome::Timeout, "no answer"),
    };
    sample.finish(measurement, deadline);
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tokio::sync::mpsc::{self, UnboundedReceiver};
    use tokio::time::Instant;

    use super::{Scheduled, start};
    use crate::host::Prober;
    use crate::host::clock::Clock;
    use crate::model::phase::Phase;
    use crate::model::probe::{OnNoData, ProbeKind, ProbeSpec, TcpProbe};
    use crate::model::sample::{Measurement, Outcome, Sample};
    use crate::model::units::Timespan;
    use crate::probe::{PhaseCell, Recorder, UnderWay};

    const CLOCK: Clock = Clock::Tokio;

    /// Answers the n-th sample (from 0) after the time the function says; never when it says none.
    struct Answers<F> {
        after: F,
        taken: AtomicU32,
    }

    impl<F: Fn(u32) -> Option<Duration> + Send + Sync> Prober for Answers<F> {
        fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
            Box::pin(async {
                match (self.after)(self.taken.fetch_add(1, Ordering::Relaxed)) {
                    Some(time) => CLOCK.sleep(time).await,
                    None => std::future::pending().await,
                }
                Measurement::ok()
            })
        }
    }

    fn answers_after<F: Fn(u32) -> Option<Duration> + Send + Sync + 'static>(after: F) -> Arc<dyn Prober> {
        Arc::new(Answers { after, taken: AtomicU32::new(0) })
    }

    struct Run {
        recorder: Recorder,
        samples: UnboundedReceiver<Sample>,
    }

    impl Run {
        fn new() -> Self {
            let (sender, samples) = mpsc::unbounded_channel();
            let origin = CLOCK.now();
            let phases = PhaseCell::new(Phase::Baseline, origin);
            Self {
                recorder: Recorder { clock: CLOCK, origin, phases, samples: sender, under_way: UnderWay::default() },
                samples,
            }
        }

        fn start(&self, probe: usize, [interval, timeout]: [Duration; 2], prober: Arc<dyn Prober>) -> Scheduled {
            start(probe, &spec(interval, timeout), prober, &self.recorder)
        }

        /// Everything recorded, in the order of the schedule.
        fn samples(mut self) -> Vec<Sample> {
            drop(self.recorder);
            let mut samples: Vec<_> = std::iter::from_fn(|| self.samples.try_recv().ok()).collect();
            samples.sort_by_key(|sample| (sample.probe(), sample.intended()));
            samples
        }
    }

    fn spec(interval: Duration, timeout: Duration) -> ProbeSpec {
        ProbeSpec {
            name: "fake".into(),
            kind: ProbeKind::Tcp(TcpProbe { address: "127.0.0.1:1".into() }),
            interval: Timespan(interval),
            timeout: Timespan(timeout),
            expect: Vec::new(),
            on_no_data: OnNoData::Stop,
            independent_of: Vec::new(),
        }
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_probe_does_not_disturb_its_neighbour() {
        let run = Run::new();
        let slow = run.start(0, [ms(100), ms(5000)], answers_after(|_| Some(ms(4000))));
        let fast = run.start(1, [ms(10), ms(1000)], answers_after(|_| Some(ms(1))));
        CLOCK.sleep(ms(1000)).await;
        tokio::join!(slow.stop(), fast.stop());
        let samples = run.samples();
        let of = |probe| samples.iter().filter(move |sample| sample.probe() == probe);
        assert!(of(0).map(|sample| sample.intended()).take(10).eq((0..10).map(|k| ms(100 * k))));
        let first = of(1).next().expect("a sample").intended();
        assert!(
            of(1).enumerate().all(|(k, sample)| sample.intended() == first + ms(10) * u32::try_from(k).expect("few"))
        );
        assert!(of(1).count() >= 98);
        assert!(of(0).all(|sample| sample.latency() == ms(4000)));
        assert!(of(1).all(|sample| sample.latency() <= ms(2)), "the wheel of the paused clock is 1 ms coarse");
    }

    #[tokio::test(start_paused = true)]
    async fn intervals_that_are_no_whole_milliseconds_do_not_drift() {
        let run = Run::new();
        let third = Duration::from_secs(1) / 3;
        let scheduled = run.start(0, [third, ms(100)], answers_after(|_| Some(ms(0))));
        CLOCK.sleep(ms(60_000)).await;
        scheduled.stop().await;
        for (k, sample) in run.samples().iter().enumerate() {
            assert_eq!(sample.intended(), third * u32::try_from(k).expect("few"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_shows_in_every_sample_it_delayed() {
        let run = Run::new();
        let stall = (CLOCK.now() + ms(200), CLOCK.now() + ms(700));
        let server = move |_| {
            let stalled = CLOCK.now() >= stall.0 && CLOCK.now() < stall.1;
            Some(if stalled { stall.1 - CLOCK.now() } else { Duration::ZERO })
        };
        let scheduled = run.start(0, [ms(10), ms(1000)], answers_after(server));
        CLOCK.sleep(ms(1000)).await;
        scheduled.stop().await;
        let samples = run.samples();
        let slow: Vec<Duration> = samples.iter().map(Sample::latency).filter(|latency| *latency > ms(5)).collect();
        assert_eq!(slow.len(), 50, "500 ms at 100/s");
        assert!(slow.is_sorted_by(|earlier, later| *earlier == *later + ms(10)), "each waited 10 ms less: {slow:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_missed_while_the_machine_stalled_is_sent_with_its_intended_time() {
        let run = Run::new();
        let scheduled = run.start(0, [ms(10), ms(1000)], answers_after(|_| Some(Duration::ZERO)));
        CLOCK.sleep(ms(95)).await;
        tokio::time::advance(ms(500)).await;
        CLOCK.sleep(ms(100)).await;
        scheduled.stop().await;
        let samples = run.samples();
        assert!(
            samples.iter().enumerate().all(|(k, sample)| sample.intended() == ms(10 * k as u64)),
            "none is missing"
        );
        let caught_up: Vec<_> = samples.iter().filter(|sample| sample.sent() == ms(595)).collect();
        assert_eq!(caught_up.len(), 50);
        assert_eq!(caught_up[0].latency(), ms(495));
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_in_flight_is_recorded_and_not_sent() {
        let run = Run::new();
        let scheduled =
            start(0, &spec(Duration::from_micros(10), ms(60_000)), answers_after(|_| Some(ms(50_000))), &run.recorder);
        CLOCK.sleep(ms(200)).await;
        scheduled.stop().await;
        let samples = run.samples();
        let saturated = samples.iter().filter(|sample| sample.outcome() == Outcome::Saturated).count();
        assert_eq!(samples.len() - saturated, super::MOST_IN_FLIGHT);
        assert!(saturated > 3000, "200 ms at 100,000/s are 20,000 samples, none dropped: {}", samples.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_never_answers_times_out_and_saturates_nothing() {
        let run = Run::new();
        let scheduled = run.start(0, [ms(10), ms(300)], answers_after(|_| None));
        CLOCK.sleep(ms(2000)).await;
        scheduled.stop().await;
        let samples = run.samples();
        assert!(samples.len() >= 200);
        for sample in samples {
            assert_eq!(sample.outcome(), Outcome::Timeout);
            assert_eq!(sample.done(), sample.sent() + ms(300), "censored at the timeout, not when it was noticed");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_after_the_timeout_is_a_timeout() {
        let run = Run::new();
        let scheduled = run.start(0, [ms(1000), ms(300)], answers_after(|_| Some(ms(310))));
        CLOCK.sleep(ms(500)).await;
        scheduled.stop().await;
        let samples = run.samples();
        assert_eq!((samples[0].outcome(), samples[0].latency()), (Outcome::Timeout, ms(300)));
    }

    struct Panics;

    impl Prober for Panics {
        fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
            Box::pin(async { panic!("on purpose") })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_panics_is_recorded_as_our_own_failure() {
        let run = Run::new();
        let scheduled = run.start(0, [ms(100), ms(300)], Arc::new(Panics));
        CLOCK.sleep(ms(250)).await;
        scheduled.stop().await;
        let samples = run.samples();
        assert_eq!(samples.len(), 3);
        assert!(samples.iter().all(|sample| sample.outcome() == Outcome::NoData));
        assert!(samples[0].detail().is_some_and(|detail| detail.contains("bug in chaos")));
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_for_what_is_in_flight_and_sends_no_more() {
        let run = Run::new();
        let scheduled = run.start(0, [ms(100), ms(1000)], answers_after(|_| Some(ms(400))));
        CLOCK.sleep(ms(250)).await;
        let stopped = CLOCK.now();
        scheduled.stop().await;
        assert_eq!(stopped.elapsed(), ms(350), "until the last answer");
        let samples = run.samples();
        assert_eq!(samples.len(), 3);
        assert!(samples.iter().all(|sample| sample.outcome() == Outcome::Ok));
    }

    #[tokio::test(start_paused = true)]
    async fn aborting_records_what_was_in_flight_as_no_data() {
        let mut run = Run::new();
        let scheduled = run.start(0, [ms(100), ms(1000)], answers_after(|_| None));
        CLOCK.sleep(ms(250)).await;
        scheduled.abort();
        for _ in 0..3 {
            let sample = run.samples.recv().await.expect("a sample that was given up");
            assert_eq!(sample.outcome(), Outcome::NoData);
        }
        let silent = tokio::time::timeout(ms(2000), run.samples.recv()).await;
        assert!(silent.is_err(), "nothing more is sent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sample_belongs_to_the_phase_of_its_intended_time() {
        let run = Run::new();
        let edge: Instant = CLOCK.now() + ms(150);
        let scheduled = run.start(0, [ms(100), ms(1000)], answers_after(|_| Some(ms(300))));
        CLOCK.sleep_until(edge).await;
        run.recorder.phases.enter(Phase::Inject, edge);
        CLOCK.sleep(ms(100)).await;
        scheduled.stop().await;
        let phases: Vec<Phase> = run.samples().iter().map(|sample| sample.phase()).collect();
        assert_eq!(phases, [Phase::Baseline, Phase::Baseline, Phase::Inject]);
    }
}
