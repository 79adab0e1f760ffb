//! Stops the tool before each of its system calls, with the kernel's own means (ptrace). Every thread of the tool is
//! followed, and none of its children: not the guardian, no service, no worker.
//!
//! strace could do most of this, but it counts `when=K` for each thread by itself, and with `-f` follows the guardian
//! and the services as well, so that it kills the wrong places. Here the calls of all threads are counted together.
#![allow(unsafe_code, reason = "ptrace has no safe door; each use says why it is sound")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use libc::{c_int, c_long, c_uint, c_void, pid_t};

use crate::calls;

/// Nothing that is followed takes longer; then it is killed, and the point fails.
const LONGEST: Duration = Duration::from_secs(60);
/// How a stop at a system call is told from a real SIGTRAP.
const AT_A_CALL: c_int = libc::SIGTRAP | 0x80;

/// A system call that is about to be made.
#[derive(Debug, Clone)]
pub struct Call {
    /// The process that makes it.
    pub pid: pid_t,
    pub name: String,
    /// Which one of this name it is, from 1, all threads counted together.
    pub occurrence: u64,
    /// Its first and third arguments: most often a descriptor, and flags.
    first: u64,
    third: u64,
}

impl Call {
    /// Whether it is an `openat` that makes a new file.
    pub fn makes_a_file(&self) -> bool {
        self.third & u64::from((libc::O_CREAT | libc::O_EXCL).cast_unsigned())
            == u64::from((libc::O_CREAT | libc::O_EXCL).cast_unsigned())
    }

    /// The file that its first argument names as a descriptor.
    pub fn file(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/fd/{}", self.pid, self.first)).ok()
    }
}

/// What shall happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Happens,
    /// The process is killed before it.
    Kill,
    /// It is not made and answers with this error.
    Fails(c_int),
}

/// How it went.
#[derive(Debug)]
pub struct Followed {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// How often each call was made, or would have been.
    pub calls: BTreeMap<String, u64>,
    /// When and before which call it was killed.
    pub killed: Option<(Instant, Call)>,
}

/// Why no process can be followed here, if none can.
pub fn missing() -> Option<String> {
    let tried = try_follow(&mut Command::new("true"), |_| Fate::Happens);
    tried.err().map(|error| format!("the kernel lets nobody follow a child (ptrace): {error}"))
}

/// Starts a command and follows it to its end. `fate` decides about every call.
pub fn follow(command: &mut Command, fate: impl FnMut(&Call) -> Fate) -> Followed {
    try_follow(command, fate).expect("starts")
}

fn try_follow(command: &mut Command, fate: impl FnMut(&Call) -> Fate) -> io::Result<Followed> {
    let wish = || {
        // SAFETY: a raw system call without pointers, between fork and exec.
        let asked = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
        if asked == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: the closure makes one raw system call, neither allocates nor locks.
    unsafe { command.pre_exec(wish) };
    let child = command.spawn()?;
    let pid = child.id().cast_signed();
    let mut tracer =
        Tracer { pid, fate, threads: BTreeSet::new(), calls: BTreeMap::new(), killed: None, failing: BTreeMap::new() };
    assert_eq!(wait(), Some((pid, Stop::Signal(libc::SIGTRAP))), "it stops at its first instruction");
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SETOPTIONS, pid, options as usize)?;
    tracer.threads.insert(pid);
    tracer.go_on(pid, 0);
    let code = tracer.until_it_ends();
    Ok(Followed { code, calls: tracer.calls, killed: tracer.killed })
}

struct Tracer<F> {
    pid: pid_t,
    fate: F,
    threads: BTreeSet<pid_t>,
    calls: BTreeMap<String, u64>,
    killed: Option<(Instant, Call)>,
    /// The threads whose call answers with an error.
    failing: BTreeMap<pid_t, c_int>,
}

impl<F: FnMut(&Call) -> Fate> Tracer<F> {
    fn until_it_ends(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LONGEST;
        loop {
            let (thread, stop) = wait().expect("its end is seen before there is nothing to wait for");
            match stop {
                Stop::Ended(code) if thread == self.pid => return code,
                Stop::Ended(_) => {}
                Stop::Call => self.at_a_call(thread),
                // A new thread begins with a stop that nobody asked for.
                Stop::Signal(libc::SIGSTOP) if self.threads.insert(thread) => self.go_on(thread, 0),
                Stop::Signal(signal) => self.go_on(thread, signal),
                Stop::Event => self.go_on(thread, 0),
            }
            if Instant::now() > deadline {
                kill(self.pid);
            }
        }
    }

    fn at_a_call(&mut self, thread: pid_t) {
        self.threads.insert(thread);
        let Some(info) = info(thread) else { return };
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            if let Some(error) = self.failing.remove(&thread) {
                registers::answer(thread, error);
            }
            return self.go_on(thread, 0);
        }
        // SAFETY: the kernel says that this is an entry, for which it fills in this member.
        let entry = unsafe { info.u.entry };
        let name = calls::name(entry.nr);
        let count = self.calls.entry(name.clone()).or_default();
        *count += 1;
        let call = Call { pid: self.pid, name, occurrence: *count, first: entry.args[0], third: entry.args[2] };
        match if self.killed.is_some() { Fate::Happens } else { (self.fate)(&call) } {
            Fate::Happens => {}
            Fate::Kill => {
                self.killed = Some((Instant::now(), call));
                kill(self.pid);
                return;
            }
            Fate::Fails(error) => {
                registers::skip(thread);
                self.failing.insert(thread, error);
            }
        }
        self.go_on(thread, 0);
    }

    /// A thread that was killed meanwhile cannot go on, which is no trouble.
    fn go_on(&self, thread: pid_t, signal: c_int) {
        let _ = ptrace(libc::PTRACE_SYSCALL, thread, signal as usize);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Ended(Option<i32>),
    Call,
    Event,
    Signal(c_int),
}

/// The next news of a process that this very thread started; none when there is none left. Other threads follow others.
fn wait() -> Option<(pid_t, Stop)> {
    let mut status = 0;
    // SAFETY: the status is written to a live variable.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    if pid < 0 {
        return None;
    }
    let stop = if libc::WIFEXITED(status) {
        Stop::Ended(Some(libc::WEXITSTATUS(status)))
    } else if libc::WIFSIGNALED(status) {
        Stop::Ended(None)
    } else if libc::WSTOPSIG(status) == AT_A_CALL {
        Stop::Call
    } else if status >> 16 != 0 {
        Stop::Event
    } else {
        Stop::Signal(libc::WSTOPSIG(status))
    };
    Some((pid, stop))
}

fn info(thread: pid_t) -> Option<libc::ptrace_syscall_info> {
    let mut info = std::mem::MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
    let size = std::mem::size_of_val(&info);
    // SAFETY: the kernel writes at most `size` bytes to `info`, of which zero is a valid content everywhere.
    let got = unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread, size, info.as_mut_ptr()) };
    // SAFETY: zeroed, and then filled in by the kernel.
    (got > 0).then(|| unsafe { info.assume_init() })
}

fn ptrace(request: c_uint, thread: pid_t, data: usize) -> io::Result<c_long> {
    // SAFETY: used with requests whose data is a number only.
    let answer = unsafe { libc::ptrace(request, thread, std::ptr::null_mut::<c_void>(), data) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn kill(pid: pid_t) {
    // SAFETY: no pointers; the pid is a child that this thread has not reaped.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// A call that is not made: its number becomes none, and its answer the error.
mod registers {
    use libc::{c_int, pid_t};

    pub fn skip(thread: pid_t) {
        change(thread, |registers| registers.orig_rax = u64::MAX);
    }

    pub fn answer(thread: pid_t, error: c_int) {
        change(thread, |registers| registers.rax = i64::from(-error).cast_unsigned());
    }

    #[cfg(target_arch = "x86_64")]
    fn change(thread: pid_t, with: impl FnOnce(&mut libc::user_regs_struct)) {
        let mut registers = std::mem::MaybeUninit::<libc::user_regs_struct>::zeroed();
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: the kernel fills in the whole struct, which consists of numbers, and reads it again.
        unsafe {
            if libc::ptrace(libc::PTRACE_GETREGS, thread, none, registers.as_mut_ptr()) == 0 {
                with(registers.assume_init_mut());
                libc::ptrace(libc::PTRACE_SETREGS, thread, none, registers.as_ptr());
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    compile_error!("say here how a call is skipped on this machine");
}
