//! The doses of workers, on the real machine: resident to the page, followed in time, never below the floor, gone at once.
//!
//! A busy machine may keep a worker from its dose for a while, and never lets it run ahead: so "not more" is asserted of
//! every look, and "as much" is waited for.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::memory::Region;
use chaos::host::process;
use chaos::host::system;
use chaos::host::workers::Workers;
use chaos::model::dose::{ProcessState, WorkerReading};
use chaos::model::profile::{Profile, Spikes, Steps};
use chaos::model::step::{Job, ProcessIdentity};
use chaos::model::units::{ByteRate, Bytes, Rate, Share, Timespan};

use crate::{binary, pids_in, until};

const MIB: u64 = 1 << 20;

fn workers() -> Workers {
    Workers::new(Clock::Real).with_binary(binary())
}

fn memory(size: u64, profile: Profile) -> Job {
    Job::Memory { size: Bytes(size), leave_free: Bytes(64 * MIB), profile }
}

fn cpu(load: f64, profile: Profile) -> Job {
    Job::Cpu { load: Share(load), cores: system::cores().into_iter().take(1).collect(), profile }
}

/// Looks at every reading until one is the last; true from `look` ends it.
async fn follow(workers: &Workers, what: &str, mut look: impl FnMut(&WorkerReading) -> bool) {
    let mut last = Duration::ZERO;
    until(what, || match workers.reading("w") {
        Some(reading) if reading.elapsed > last => {
            last = reading.elapsed;
            look(&reading)
        }
        _ => false,
    })
    .await;
}

#[tokio::test]
async fn memory_is_resident_to_the_percent_held_without_a_dip_and_released_at_once() {
    let _busy = crate::busy::busy();
    let (workers, size) = (workers(), 256 * MIB);
    let identity = workers.start("w", &memory(size, Profile::Constant)).await.expect("starts");
    let right = size - size / 100..=size + size / 100;
    follow(&workers, "two seconds", |reading| {
        assert!(right.contains(&reading.resident), "{} of {size} at {:?}", reading.resident, reading.elapsed);
        reading.elapsed > Duration::from_secs(2)
    })
    .await;
    let worst = workers.reading("w").and_then(|reading| reading.worst).expect("it was looked at");
    assert!((worst.measured - worst.asked).abs() < 0.01 * size as f64, "{worst:?}");
    let seen = process::usage(&identity).expect("lives").resident;
    assert!(seen >= size, "the kernel tells {seen}");
    let start = Clock::Real.now();
    workers.stop("w").await.expect("stops");
    let took = start.elapsed();
    assert!(workers.gone("w") && took < Duration::from_millis(200), "released after {took:?}");
}

#[tokio::test]
async fn memory_follows_its_ramp_and_is_never_ahead_of_it() {
    let _busy = crate::busy::busy();
    let (workers, size, profile) = (workers(), 200 * MIB, Profile::Ramp(Timespan::seconds(2)));
    workers.start("w", &memory(size, profile)).await.expect("starts");
    let mut on_the_way = 0;
    follow(&workers, "all of it", |reading| {
        let asked = size as f64 * profile.level(reading.elapsed);
        // What the worker is itself, and a page of the large ones.
        let most = asked as u64 + 8 * MIB;
        assert!(reading.resident <= most, "{} of {asked} at {:?}", reading.resident, reading.elapsed);
        on_the_way += u32::from((20 * MIB..180 * MIB).contains(&reading.resident));
        reading.elapsed > Duration::from_secs(2) && reading.resident >= size - size / 100
    })
    .await;
    assert!(on_the_way >= 3, "it was seen {on_the_way} times between a tenth and nine");
    workers.stop("w").await.expect("stops");
}

#[tokio::test]
async fn memory_in_spikes_comes_and_goes() {
    let _busy = crate::busy::busy();
    let spikes = Spikes { every: Timespan::seconds(1), lasting: Timespan::millis(500), between: Share(0.25) };
    let workers = workers();
    workers.start("w", &memory(200 * MIB, Profile::Spikes(spikes))).await.expect("starts");
    let (mut high, mut low) = (0, 0);
    follow(&workers, "three spikes, and what is between them", |reading| {
        let within = |size: u64| reading.resident.abs_diff(size * MIB) < 8 * MIB;
        high += u32::from(within(200));
        low += u32::from(within(50));
        high >= 5 && low >= 5 && reading.elapsed > Duration::from_millis(2500)
    })
    .await;
    workers.stop("w").await.expect("stops");
}

#[tokio::test]
async fn memory_is_given_back_rather_than_taken_of_what_must_stay_free() {
    let _busy = crate::busy::busy();
    let available = || system::memory().expect("reads").available;
    // Others come and go beside this test: the steps are larger than what they take.
    let (size, ours) = (256 * MIB, 1536 * MIB);
    let leave_free = Bytes(available() - 1024 * MIB);
    let workers = workers();
    let job = Job::Memory { size: Bytes(size), leave_free, profile: Profile::Constant };
    workers.start("w", &job).await.expect("there is room");
    follow(&workers, "all of it", |reading| reading.resident >= size - size / 100).await;
    let region = Region::reserve(ours as usize, true).expect("reserves");
    region.populate(0, ours as usize).expect("populates");
    follow(&workers, "it gives back", |reading| reading.resident < 32 * MIB).await;
    let held_back = workers.reading("w").expect("tells").held_back;
    assert!(held_back > size - 32 * MIB, "and says so: {held_back}");
    region.release(0, ours as usize).expect("releases");
    follow(&workers, "it is there again", |reading| reading.resident >= size - size / 100).await;
    workers.stop("w").await.expect("stops");
}

#[tokio::test]
async fn a_load_in_steps_is_never_ahead_of_them_and_is_told_second_by_second() {
    let _busy = crate::busy::busy();
    let (workers, load) = (workers(), 0.4);
    let profile = Profile::Steps(Steps { count: 2, every: Timespan::millis(1500) });
    workers.start("w", &cpu(load, profile)).await.expect("starts");
    follow(&workers, "three seconds", |reading| {
        // A period of 10 ms ahead, and what it costs to tell.
        let most = load * profile.area(reading.elapsed) + 0.03 + 0.01 * reading.elapsed.as_secs_f64();
        assert!(reading.cpu.as_secs_f64() < most, "{:?} at {:?}", reading.cpu, reading.elapsed);
        reading.elapsed > Duration::from_secs(3)
    })
    .await;
    let reading = workers.reading("w").expect("tells");
    let worst = reading.worst.expect("three windows");
    assert!(worst.asked >= 0.15 && worst.asked <= 0.41, "{worst:?}");
    assert!(worst.measured <= worst.asked + 0.03, "{worst:?}");
    workers.stop("w").await.expect("stops");
}

#[tokio::test]
async fn operations_on_a_disk_follow_their_ramp() {
    let _busy = crate::busy::busy();
    let (workers, folder) = (workers(), tempfile::tempdir().expect("a folder"));
    let profile = Profile::Ramp(Timespan::seconds(2));
    let job = Job::Disk {
        path: folder.path().to_owned(),
        iops: Rate(200.0),
        bandwidth: ByteRate(819_200.0),
        block_size: Bytes(4096),
        read: Share(1.0),
        file_size: Bytes(4 * MIB),
        profile,
    };
    workers.start("w", &job).await.expect("starts");
    follow(&workers, "as many as were asked", |reading| {
        assert_eq!(reading.failed, 0);
        let asked = 200.0 * profile.area(reading.elapsed);
        assert!((reading.operations as f64) < asked + 3.0, "{} of {asked}", reading.operations);
        reading.elapsed > Duration::from_secs(2) && reading.operations as f64 > 0.98 * asked - 2.0
    })
    .await;
    workers.stop("w").await.expect("stops");
}

/// A worker as the spawner of the tool starts one, but by the thread that calls this.
#[allow(clippy::disallowed_methods, reason = "who starts it is what is tested")]
fn started_here(job: &Job) -> (std::process::Child, ProcessIdentity) {
    let job = serde_json::to_string(job).expect("writes");
    let mut child = Command::new(binary())
        .args(["__worker", &job])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("reads");
    assert!(line.contains("ready"), "{line}");
    let identity = process::identity(child.id().cast_signed()).expect("lives");
    (child, identity)
}

/// How long it lives still.
async fn time_to_end(identity: &ProcessIdentity) -> Duration {
    let start = Clock::Real.now();
    until("it ends", || process::state(identity) == ProcessState::Gone).await;
    start.elapsed()
}

#[tokio::test]
async fn a_worker_ends_within_100_ms_of_the_thread_that_started_it() {
    let starter = std::thread::spawn(|| started_here(&cpu(0.5, Profile::Constant)));
    // Its input stays open, in our hands: nothing but the end of the thread tells it.
    let (mut child, identity) = starter.join().expect("starts");
    let took = time_to_end(&identity).await;
    assert!(took < Duration::from_millis(100), "{took:?}");
    child.wait().expect("is reaped");
}

#[tokio::test]
async fn a_worker_ends_within_100_ms_of_its_parent() {
    let job = serde_json::to_string(&memory(64 * MIB, Profile::Constant)).expect("writes");
    let folder = tempfile::tempdir().expect("a folder");
    let (told, pid) = (folder.path().join("told"), folder.path().join("pid"));
    let (binary, told_to, pid_to) = (binary(), told.display(), pid.display());
    // Its input is ours and stays open: nothing but the end of the shell tells it.
    let script = format!("exec 3<&0; {} __worker '{job}' <&3 >{told_to} & echo $! >{pid_to}; wait", binary.display());
    #[allow(clippy::disallowed_methods, reason = "a parent that is not ours")]
    let mut parent = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("starts");
    until("it is ready", || std::fs::read_to_string(&told).is_ok_and(|text| text.contains("ready"))).await;
    let worker = process::identity(pids_in(&pid)[0]).expect("lives");
    parent.kill().expect("kills");
    let took = time_to_end(&worker).await;
    assert!(took < Duration::from_millis(100), "{took:?}");
    parent.wait().expect("is reaped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_outlives_the_thread_that_asked_for_it() {
    let workers = Arc::new(workers());
    let (here, asks) = (tokio::runtime::Handle::current(), Arc::clone(&workers));
    let asked = std::thread::spawn(move || here.block_on(asks.start("w", &cpu(0.05, Profile::Constant))));
    let identity = asked.join().expect("ends").expect("starts");
    let told = workers.reading("w").map_or(Duration::ZERO, |reading| reading.elapsed);
    until("it goes on", || workers.reading("w").is_some_and(|now| now.elapsed > told + Duration::from_millis(300)))
        .await;
    assert_eq!(process::state(&identity), ProcessState::Running);
    workers.stop("w").await.expect("stops");
}
