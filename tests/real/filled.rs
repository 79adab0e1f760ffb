//! Disks that are filled: to the byte, never below the floor, and free again however the worker or the tool ends. On file
//! systems of their own in a mount namespace of their own, so that nobody else takes or frees room meanwhile.

use std::path::{Path, PathBuf};
use std::process::Command;

use chaos::host::clock::Clock;
use chaos::host::process::{self, Signal};
use chaos::host::workers::Workers;
use chaos::host::{files, room, system};
use chaos::model::fault::{Amount, KillSignal};
use chaos::model::step::Job;
use chaos::model::units::{Bytes, Share};
use rustix::process::{Signal as Raw, kill_process};

use crate::alone::{Own, alone};
use crate::guardian::{guardian_of, open, said};
use crate::outside::{Seen, look};
use crate::run::{Home, Run, free_ports};
use crate::{binary, until};

const MIB: u64 = 1 << 20;
/// Where the disk of a journal is mounted, in a namespace of our own: nothing that the test needs is below it.
const DISK: &str = "/mnt";

/// A file system in memory. Unmounted when dropped, so that the folder it is on can be removed.
#[must_use = "it is unmounted when this is dropped"]
struct Mounted(PathBuf);

impl Drop for Mounted {
    #[allow(clippy::disallowed_methods, reason = "a tool that is not ours mounts")]
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[allow(clippy::disallowed_methods, reason = "a tool that is not ours mounts")]
fn mounted(at: &Path, options: &str) -> Mounted {
    files::create_dir_all(at).expect("makes a folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at).status();
    assert!(mounted.expect("mount").success(), "mounts {options}");
    Mounted(at.to_owned())
}

/// What is free there, in bytes.
fn free(folder: &Path) -> u64 {
    system::disk(folder).expect("reads").available
}

fn fill(path: &Path, size: Option<Amount>, leave_free: Option<u64>) -> Job {
    Job::Fill { path: path.to_owned(), size, leave_free: leave_free.map(Bytes) }
}

fn workers() -> Workers {
    Workers::new(Clock::Real).with_binary(binary())
}

#[tokio::test]
async fn a_disk_is_filled_to_the_byte_and_free_again_when_its_worker_is_killed() {
    if !alone(Own::Mounts, "filled::a_disk_is_filled_to_the_byte_and_free_again_when_its_worker_is_killed") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path().join("disk");
    let _mounted = mounted(&disk, "size=512M");
    let (workers, before) = (workers(), free(&disk));
    assert_eq!(before, 512 * MIB);
    for (size, leave_free, left) in [
        (Some(Amount::Bytes(Bytes(100 * MIB))), None, 412),
        (Some(Amount::Available(Share(0.5))), None, 256),
        (None, Some(128 * MIB), 128),
        (Some(Amount::Available(Share::ALL)), Some(200 * MIB), 200),
    ] {
        let worker = workers.start("w", &fill(&disk, size, leave_free)).await.expect("starts");
        assert_eq!(free(&disk), left * MIB, "{size:?} {leave_free:?}");
        assert_eq!(files::list(&disk).expect("lists"), Vec::<PathBuf>::new(), "the file has no name");
        until("it tells", || workers.reading("w").is_some_and(|reading| reading.room.is_some())).await;
        let room = workers.reading("w").and_then(|reading| reading.room).expect("was just there");
        assert_eq!((room.asked, room.taken), ((512 - left) * MIB, (512 - left) * MIB));
        assert_eq!((room.free_before, room.free_now), (before, left * MIB));
        process::send_signal(&worker, Signal::Kill(KillSignal::Kill)).expect("sends");
        until("all is free again", || free(&disk) == before).await;
        workers.stop("w").await.expect("is gone");
    }
}

#[tokio::test]
async fn the_floor_of_room_and_of_files_is_never_taken() {
    if !alone(Own::Mounts, "filled::the_floor_of_room_and_of_files_is_never_taken") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (disk, crowded) = (folder.path().join("disk"), folder.path().join("crowded"));
    let _mounted = mounted(&disk, "size=256M");
    let workers = workers();
    workers.start("w", &fill(&disk, None, Some(0))).await.expect("starts");
    assert_eq!(free(&disk), 64 * MIB);
    workers.stop("w").await.expect("stops");
    assert_eq!(free(&disk), 256 * MIB);
    let refused =
        workers.start("w", &fill(&disk, Some(Amount::Available(Share::ALL)), None)).await.expect_err("too much");
    assert!(refused.to_string().contains("at most 192MiB can be taken"), "{refused}");
    let _mounted_too = mounted(&crowded, "size=512M,nr_inodes=100");
    while system::inodes_of(&room::hold_folder(&crowded).expect("holds it")).expect("reads").available > 1 {
        let name = files::list(&crowded).expect("lists").len().to_string();
        files::create_new(&crowded.join(name)).expect("makes it");
    }
    let job = fill(&crowded, Some(Amount::Bytes(Bytes(MIB))), None);
    let refused = workers.start("w", &job).await.expect_err("is crowded");
    assert!(refused.to_string().contains("files are left"), "{refused}");
    assert_eq!(free(&crowded), 512 * MIB);
}

/// A run that fills the file system that its journal is on, as far as it may.
async fn full_disk_of_the_journal() -> Run {
    // It goes with the namespace: nothing on this machine is below it.
    std::mem::forget(mounted(Path::new(DISK), "size=1G,mode=1777"));
    let [port] = free_ports();
    let experiment = format!(
        "name: full
steady_state:
  - {{ name: connect, probe: tcp, address: '127.0.0.1:{port}', rate: 20/s, timeout: 1s, expect: [success_rate <= 1%] }}
faults:
  - {{ name: full, fault: disk.fill, target: {{ host: local }}, path: ., leave_free: 0B, duration: 60s }}
blast_radius: {{ duration: 60s }}
baseline: 1s
"
    );
    let mut run = Home::inside(Path::new(DISK)).start(&experiment);
    run.until("it is full", |events| events.iter().any(|event| event["event"] == "fault_applied")).await;
    run
}

#[tokio::test]
async fn the_disk_of_the_journal_keeps_room_for_the_run_and_is_free_again_when_the_tool_is_killed() {
    if !alone(
        Own::Mounts,
        "filled::the_disk_of_the_journal_keeps_room_for_the_run_and_is_free_again_when_the_tool_is_killed",
    ) {
        return;
    }
    let run = full_disk_of_the_journal().await;
    let left = free(Path::new(DISK));
    assert!((310 * MIB..=320 * MIB).contains(&left), "64 MiB, and 256 MiB for the run: {} MiB", left / MIB);
    run.signal(Raw::KILL);
    let home = run.ended().await.home;
    until("all is free again", || free(Path::new(DISK)) > 1000 * MIB).await;
    until("its guardian has written it down", || open(&home) == 0).await;
    assert_eq!(look(&home, &[]), Seen::default());
}

#[tokio::test]
async fn a_file_that_has_a_name_after_all_is_removed_by_the_journal_of_its_run() {
    if !alone(Own::Mounts, "filled::a_file_that_has_a_name_after_all_is_removed_by_the_journal_of_its_run") {
        return;
    }
    let run = full_disk_of_the_journal().await;
    let guardian = guardian_of(run.pid());
    kill_process(guardian, Raw::STOP).expect("sends");
    run.signal(Raw::STOP);
    kill_process(guardian, Raw::KILL).expect("sends");
    run.signal(Raw::KILL);
    let home = run.ended().await.home;
    let id = home.run_folders()[0].file_name().expect("a name").to_string_lossy().into_owned();
    // As a file system leaves it that has no files without a name, and on which the worker was killed in that moment.
    let (ours, notes) = (format!(".chaos-{id}-0123456789abcdef"), format!(".chaos-{id}-notes"));
    for name in [&ours, &notes] {
        files::create_new(&home.path("work").join(name)).expect("makes it");
    }
    let (code, text) = chaos(&home, &["rollback", "--all"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("no file of the run is in "), "{text}");
    let left = files::list(&home.path("work")).expect("lists");
    assert_eq!(left, [home.path("work").join(notes)], "and nothing that is not ours was touched");
    until("all is free again", || free(Path::new(DISK)) > 1000 * MIB).await;
}

#[allow(clippy::disallowed_methods, reason = "the binary under test is started as a stranger would")]
fn chaos(home: &Home, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binary());
    said(&command.args(words).arg("--state-dir").arg(home.path("state")).output().expect("starts"))
}
