//! Operations of a disk asked and done: random writes of 4 KiB past the page cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chaos::model::profile::Profile;
use chaos::model::step::Job;
use chaos::model::units::{ByteRate, Bytes, Rate, Share};

use crate::{mean_and_deviation, peer, workers};

const RATES: [u32; 3] = [100, 1_000, 10_000];
const TENTHS: usize = 40;
const BLOCK: u64 = 4096;
const FILE: u64 = 64 << 20;

pub async fn measure() {
    let folder = std::env::var_os("CHAOS_BENCH_DIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    println!(
        "\nDisk, {}: operations a second, over {} s; error over all of it, worst 100 ms, sd",
        folder.display(),
        TENTHS / 10
    );
    println!("{:>8} {:>34} {:>34}", "asked", "chaos", "fio (libaio, iodepth 16)");
    for rate in RATES {
        let ours = ours(&folder, rate).await;
        let theirs = theirs(&folder, rate).unwrap_or_else(|| "-".to_owned());
        println!("{rate:>6}/s {ours:>34} {theirs:>34}");
    }
}

async fn ours(folder: &Path, rate: u32) -> String {
    let workers = workers();
    let job = Job::Disk {
        path: folder.to_owned(),
        iops: Rate(rate.into()),
        bandwidth: ByteRate(f64::from(rate) * BLOCK as f64),
        block_size: Bytes(BLOCK),
        read: Share(0.0),
        file_size: Bytes(FILE),
        profile: Profile::Constant,
    };
    workers.start("w", &job).await.expect("starts");
    let mut looks: Vec<(Duration, u64)> = Vec::new();
    while looks.len() <= TENTHS {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let Some(reading) = workers.reading("w") else { continue };
        if looks.last().is_none_or(|(at, _)| reading.elapsed > *at) {
            looks.push((reading.elapsed, reading.operations));
        }
    }
    workers.stop("w").await.expect("stops");
    let per_second =
        |from: (Duration, u64), to: (Duration, u64)| (to.1 - from.1) as f64 / (to.0 - from.0).as_secs_f64();
    let tenths: Vec<f64> = looks.windows(2).map(|pair| per_second(pair[0], pair[1])).collect();
    tell(f64::from(rate), per_second(looks[0], looks[TENTHS]), &tenths)
}

fn tell(rate: f64, whole: f64, tenths: &[f64]) -> String {
    let percent = |value: f64| 100.0 * (value / rate - 1.0);
    let worst = tenths.iter().map(|tenth| percent(*tenth)).max_by(|one, other| one.abs().total_cmp(&other.abs()));
    let deviation = 100.0 * mean_and_deviation(tenths).1 / rate;
    format!("{:>+8.2} % {:>+9.2} % {deviation:>6.2} %", percent(whole), worst.unwrap_or(f64::NAN))
}

/// What `fio` says of itself: its mean, and its log of every tenth of a second.
fn theirs(folder: &Path, rate: u32) -> Option<String> {
    drop(peer("fio")?);
    let logs = tempfile::tempdir().expect("a folder");
    let file = folder.join(format!("chaos-bench-fio-{}", std::process::id()));
    let mut command = Command::new("fio");
    command.args(["--name=x", "--rw=randwrite", "--bs=4k", "--size=64m", "--direct=1", "--ioengine=libaio"]);
    command.args(["--iodepth=16", "--time_based", "--runtime=4", "--output-format=json", "--log_avg_msec=100"]);
    command.arg(format!("--filename={}", file.display())).arg(format!("--rate_iops={rate}"));
    command.arg("--write_iops_log=log").current_dir(logs.path()).stderr(Stdio::null());
    let output = command.output().expect("fio");
    std::fs::remove_file(&file).expect("fio leaves its file");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let whole = report["jobs"][0]["write"]["iops"].as_f64().expect("a number");
    let log = std::fs::read_to_string(logs.path().join("log_iops.1.log")).expect("a log");
    let tenths: Vec<f64> = log.lines().filter_map(|line| line.split(',').nth(1)?.trim().parse().ok()).collect();
    Some(tell(rate.into(), whole, &tenths))
}
