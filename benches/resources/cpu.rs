//! CPU time asked and taken: the mean error of windows of a second, and how windows of a tenth stray. Beside it what the
//! hypervisor gave to others in that time, of all cores together: a machine that is stolen from shows it here.

use std::process::Stdio;
use std::time::Duration;

use chaos::host::{system, thread};
use chaos::model::profile::Profile;
use chaos::model::step::Job;
use chaos::model::units::Share;

use crate::outside::{Clocks, stolen};
use crate::{mean_and_deviation, peer, workers};

const LOADS: [u32; 5] = [10, 30, 50, 70, 90];
const SETTLE: Duration = Duration::from_millis(700);
const TENTH: Duration = Duration::from_millis(100);
const TENTHS: usize = 30;

pub async fn measure(cores: usize) {
    println!("\nCPU, {cores} core(s): points of a core, over {} s", TENTHS / 10);
    println!("{:>6} {:>42} {:>42}", "", "chaos", "stress-ng");
    let head = "1 s: |error|  100 ms: mean, sd  stolen";
    println!("{:>6} {head:>42} {head:>42}", "asked");
    for load in LOADS {
        let ours = ours(load, cores).await;
        let theirs = theirs(load, cores).unwrap_or_else(|| "-".to_owned());
        println!("{:>5}% {ours:>42} {theirs:>42}", load);
    }
}

async fn ours(load: u32, cores: usize) -> String {
    let (workers, share) = (workers(), f64::from(load) / 100.0);
    let cores: Vec<usize> = system::cores().into_iter().take(cores).collect();
    let job = Job::Cpu { load: Share(share), cores: cores.clone(), profile: Profile::Constant };
    let pid = workers.start("w", &job).await.expect("starts").pid;
    let told = look(pid, share, cores.len());
    workers.stop("w").await.expect("stops");
    told
}

fn theirs(load: u32, cores: usize) -> Option<String> {
    let mut command = peer("stress-ng")?;
    command.args(["--cpu", &cores.to_string(), "--cpu-load", &load.to_string(), "--timeout", "60", "--quiet"]);
    if cores == 1 {
        command.args(["--taskset", "0"]);
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let told = look(child.id().cast_signed(), f64::from(load) / 100.0, cores);
    let end = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(end, rustix::process::Signal::TERM).expect("sends");
    child.wait().expect("ends");
    Some(told)
}

/// Looks at so many tenths of a second.
fn look(pid: i32, load: f64, cores: usize) -> String {
    std::thread::sleep(SETTLE);
    let clocks = Clocks::of(pid);
    thread::wake_exactly();
    let mut at = thread::now() + TENTH;
    thread::sleep_until(at);
    let before = stolen();
    let mut looks = vec![(thread::now(), clocks.seconds())];
    for _ in 0..TENTHS {
        at += TENTH;
        thread::sleep_until(at);
        looks.push((thread::now(), clocks.seconds()));
    }
    let stolen = 100.0 * (stolen() - before) / (TENTHS / 10) as f64;
    let points = |from: usize, to: usize| {
        let ((from, before), (to, after)) = (looks[from], looks[to]);
        100.0 * (after - before) / (to - from).as_secs_f64() / cores as f64
    };
    let tenths: Vec<f64> = (0..TENTHS).map(|place| points(place, place + 1)).collect();
    let errors: Vec<f64> =
        (0..TENTHS / 10).map(|place| (points(place * 10, place * 10 + 10) - 100.0 * load).abs()).collect();
    let (mean, deviation) = mean_and_deviation(&tenths);
    format!("{:>6.2} {mean:>12.2} {deviation:>6.2} {stolen:>8.2}", mean_and_deviation(&errors).0)
}
