//! Workers: their dose, measured by themselves and by the kernel, and their end.

use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::process;
use chaos::host::system;
use chaos::host::workers::Workers;
use chaos::model::dose::{ProcessState, WorkerReading};
use chaos::model::profile::Profile;
use chaos::model::step::Job;
use chaos::model::units::{ByteRate, Bytes, Rate, Share};

use crate::{binary, until};

fn workers() -> Workers {
    Workers::new(Clock::Real).with_binary(binary())
}

fn one_core(load: f64) -> Job {
    Job::Cpu { load: Share(load), cores: system::cores().into_iter().take(1).collect(), profile: Profile::Constant }
}

fn memory(size: u64) -> Job {
    Job::Memory { size: Bytes(size), leave_free: Bytes(64 << 20), profile: Profile::Constant }
}

/// The reading of a worker once it has worked for so long.
async fn reading_after(workers: &Workers, time: Duration) -> WorkerReading {
    let worked = || workers.reading("w").is_some_and(|reading| reading.elapsed >= time);
    until("it has worked for long enough", worked).await;
    workers.reading("w").expect("was just there")
}

#[tokio::test]
async fn a_cpu_worker_burns_what_was_asked_for() {
    let _busy = crate::busy::busy();
    let workers = workers();
    let identity = workers.start("w", &one_core(0.3)).await.expect("starts");
    let (start, before) = (Clock::Real.now(), process::usage(&identity).expect("lives").cpu);
    let reading = reading_after(&workers, Duration::from_millis(1500)).await;
    let seen = (process::usage(&identity).expect("lives").cpu - before).as_secs_f64() / start.elapsed().as_secs_f64();
    // On a busy machine it may not get all it wants; what it did not get, it waited for.
    let waited = time_waited_for_a_core(identity.pid).as_secs_f64() / start.elapsed().as_secs_f64();
    workers.stop("w").await.expect("stops");
    let told = reading.cpu.as_secs_f64() / reading.elapsed.as_secs_f64();
    let right = 0.28 - waited..0.32;
    assert!(right.contains(&told), "it tells {told}, having waited {waited}");
    assert!(right.contains(&seen), "the kernel tells {seen}, having waited {waited}");
}

/// The time that the threads of a process were ready to run and another ran.
fn time_waited_for_a_core(pid: i32) -> Duration {
    let threads = procfs::process::Process::new(pid).and_then(|process| process.tasks()).expect("lives");
    let waits = threads.map(|thread| thread.and_then(|thread| thread.schedstat()).expect("lives").run_delay);
    Duration::from_nanos(waits.sum())
}

#[tokio::test]
async fn a_memory_worker_is_ready_once_all_is_resident() {
    let _busy = crate::busy::busy();
    let workers = workers();
    let size = 128 << 20;
    let identity = workers.start("w", &memory(size)).await.expect("starts");
    let seen = process::usage(&identity).expect("lives").resident;
    // The kernel counts the program itself, too, which is large without optimisation.
    assert!((size..size + size / 4).contains(&seen), "the kernel tells {seen}");
    let told = reading_after(&workers, Duration::ZERO).await.resident;
    workers.stop("w").await.expect("stops");
    assert!((size - size / 100..size + size / 20).contains(&told), "it tells {told}");
}

#[tokio::test]
async fn a_disk_worker_keeps_its_pace_and_leaves_no_file() {
    let _busy = crate::busy::busy();
    let workers = workers();
    let folder = tempfile::tempdir().expect("a folder");
    let job = Job::Disk {
        path: folder.path().to_owned(),
        iops: Rate(200.0),
        bandwidth: ByteRate(819_200.0),
        block_size: Bytes(4096),
        read: Share(0.5),
        file_size: Bytes(4 << 20),
        profile: Profile::Constant,
    };
    workers.start("w", &job).await.expect("starts");
    reading_after(&workers, Duration::from_millis(1500)).await;
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0, "the file has no name");
    // Never more than asked. Less only while a busy disk is behind, which is made up for.
    let pace = || {
        let reading = workers.reading("w").expect("was just there");
        assert_eq!(reading.failed, 0);
        reading.operations as f64 / reading.elapsed.as_secs_f64()
    };
    until("it keeps its pace", || {
        assert!(pace() < 203.0, "{}/s", pace());
        pace() > 195.0
    })
    .await;
    workers.stop("w").await.expect("stops");
}

#[tokio::test]
async fn a_stopped_worker_is_gone_at_once_and_its_last_reading_stays() {
    let workers = workers();
    let identity = workers.start("w", &one_core(0.05)).await.expect("starts");
    assert!(!workers.gone("w"));
    reading_after(&workers, Duration::from_millis(200)).await;
    let start = Clock::Real.now();
    workers.stop("w").await.expect("stops");
    let took = start.elapsed();
    assert!(workers.gone("w"));
    assert_eq!(process::state(&identity), ProcessState::Gone);
    assert!(took < Duration::from_millis(250), "took {took:?}");
    assert!(workers.reading("w").is_some());
    assert_eq!(workers.ended("w").as_deref(), Some("SIGKILL"));
    workers.stop("w").await.expect("twice is no error");
    workers.stop("never started").await.expect("neither is this");
}

#[tokio::test]
async fn a_worker_that_cannot_do_its_job_says_why_and_is_gone() {
    let workers = workers();
    let trouble = workers.start("w", &memory(1 << 50)).await.expect_err("nobody has that much");
    assert!(trouble.to_string().contains("must stay; ask for at most"), "{trouble}");
    assert!(workers.gone("w"));
    let job = Job::Cpu { load: Share(0.1), cores: vec![1000], profile: Profile::Constant };
    let trouble = workers.start("w", &job).await.expect_err("there is no such core");
    assert!(trouble.to_string().contains("use core 1000"), "{trouble}");
    assert!(workers.gone("w"));
}

#[tokio::test]
async fn a_second_worker_of_that_name_is_refused() {
    let workers = workers();
    workers.start("w", &one_core(0.05)).await.expect("starts");
    workers.start("w", &one_core(0.05)).await.expect_err("runs already");
    workers.stop("w").await.expect("stops");
    workers.start("w", &one_core(0.05)).await.expect("starts after the first was stopped");
    workers.stop("w").await.expect("stops");
}

#[tokio::test]
async fn a_worker_volunteers_to_die_first_when_memory_runs_out() {
    let workers = workers();
    let identity = workers.start("w", &one_core(0.05)).await.expect("starts");
    let score = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", identity.pid)).expect("reads");
    assert_eq!(score.trim(), "1000");
    workers.stop("w").await.expect("stops");
}

#[tokio::test]
async fn a_worker_that_was_killed_by_somebody_else_says_so() {
    let workers = workers();
    let identity = workers.start("w", &one_core(0.05)).await.expect("starts");
    let kill = process::Signal::Kill(chaos::model::fault::KillSignal::Kill);
    process::send_signal(&identity, kill).expect("sends");
    until("it is gone", || workers.gone("w")).await;
    assert_eq!(workers.ended("w").as_deref(), Some("SIGKILL"));
}

#[tokio::test]
async fn workers_that_are_dropped_are_killed() {
    let workers = workers();
    let identity = workers.start("w", &one_core(0.05)).await.expect("starts");
    drop(workers);
    until("it is gone", || process::state(&identity) == ProcessState::Gone).await;
}
