//! Who may be hit and where may be written.

use std::path::Path;

use super::{Bench, Refusal, Request};
use crate::model::policy::{Policy, matches};

/// Folders of the kernel and of the boot loader: nothing is ever written there.
const PROTECTED: [&str; 4] = ["/proc", "/sys", "/dev", "/boot"];
/// What is for everyone to write, although it lies in one of them.
const SHARED_MEMORY: &str = "/dev/shm";

/// Who a process runs as, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessPlace {
    /// Its effective user id.
    pub uid: u32,
    /// Its control groups: one, or one of each hierarchy.
    pub cgroups: Vec<String>,
}

/// Whether policies allow that a fault hits a process that runs so; why not otherwise. For processes as they are found
/// just before they are hit: they may have changed since the experiment was judged.
pub fn hits(process: &ProcessPlace, policies: &[Policy]) -> Result<(), String> {
    for policy in policies {
        if let Some(rule) = policy.allow_uids.as_ref().filter(|rule| !rule.value.contains(&process.uid)) {
            return Err(format!("it runs as user {}, {}:{}: `allow_uids`", process.uid, policy.file, rule.line));
        }
        if let Some(rule) = &policy.allow_cgroups
            && let Some(group) = stranger(&rule.value, &process.cgroups)
        {
            return Err(format!(
                "it runs in the control group {group}, {}:{}: `allow_cgroups`",
                policy.file, rule.line
            ));
        }
    }
    Ok(())
}

/// A group that is of no pattern; where no group is known, that too.
fn stranger(patterns: &[String], groups: &[String]) -> Option<String> {
    let of = |group: &String| patterns.iter().any(|pattern| matches(pattern, group));
    if groups.is_empty() {
        return Some("(unknown)".to_owned());
    }
    // Groups of hierarchies that nobody uses for this process are the root: they say nothing.
    let told: Vec<&String> = groups.iter().filter(|group| *group != "/").collect();
    if told.is_empty() {
        return Some("/".to_owned()).filter(|root| !of(root));
    }
    told.into_iter().find(|group| !of(group)).cloned()
}

pub(super) fn judge(bench: &mut Bench<'_, '_>) {
    let policy = bench.policy;
    let request = bench.request;
    for (place, service) in request.experiment.services.iter().enumerate() {
        let us = &request.surroundings.us;
        if let Some(rule) = policy.allow_uids.as_ref().filter(|rule| !rule.value.contains(&us.uid)) {
            let message = format!("the service `{}` would run as user {}", service.name, us.uid);
            bench.refuse(("allow_uids", rule.line), format!("services[{place}].command"), message);
        }
        if let Some(rule) = &policy.allow_cgroups
            && let Some(group) = stranger(&rule.value, &us.cgroups)
        {
            let message = format!("the service `{}` would run in the control group {group}", service.name);
            bench.refuse(("allow_cgroups", rule.line), format!("services[{place}].command"), message);
        }
    }
    let Some(rule) = &policy.allow_paths else { return };
    for (place, written) in disk_faults(request) {
        let folder = request.surroundings.folders.get(&place).cloned().flatten();
        let allowed = folder.as_ref().is_some_and(|folder| rule.value.iter().any(|path| folder.starts_with(path)));
        if !allowed {
            let what = match &folder {
                Some(folder) if folder != written => format!("{} ({})", written.display(), folder.display()),
                Some(folder) => folder.display().to_string(),
                None => format!("{}, which is not there,", written.display()),
            };
            let paths: Vec<_> = rule.value.iter().map(|path| path.display()).collect();
            let message = format!("{what} is no place for disk faults, {}", super::only(&paths));
            bench.refuse(("allow_paths", rule.line), place, message);
        }
    }
}

/// What holds without any policy.
pub(super) fn protected_folders(request: &Request<'_>, refusals: &mut Vec<Refusal>) {
    for (place, written) in disk_faults(request) {
        let folder = request.surroundings.folders.get(&place).cloned().flatten();
        let folder = folder.as_deref().unwrap_or(written);
        let protected = PROTECTED.iter().find(|path| folder.starts_with(path));
        if let Some(path) = protected.filter(|_| !folder.starts_with(SHARED_MEMORY)) {
            refusals.push(Refusal {
                message: format!("nothing is ever written to {}", folder.display()),
                place,
                rule: format!("built in: {path} belongs to the kernel or the boot loader"),
                help: Some("write a folder for data, such as /var/tmp".to_owned()),
            });
        }
    }
}

/// The folders that disk faults name, by their places.
fn disk_faults<'a>(request: &Request<'a>) -> Vec<(String, &'a Path)> {
    let faults = request.experiment.faults.iter().enumerate();
    let written = faults.filter_map(|(place, fault)| Some((format!("faults[{place}].path"), fault.kind.folder()?)));
    written.collect()
}
