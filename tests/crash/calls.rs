//! The names of system calls: those that a run makes. Another one is called by its number.

macro_rules! calls {
    ($name:ident: $($constant:ident),* $(,)?) => {
        const $name: &[(i64, &str)] = &[$((libc::$constant, stringify!($constant))),*];
    };
}

calls!(
    EVERYWHERE:
    SYS_accept4, SYS_bind, SYS_brk, SYS_chdir, SYS_clock_nanosleep, SYS_clone, SYS_clone3, SYS_close, SYS_connect,
    SYS_dup, SYS_dup3, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_eventfd2, SYS_execve, SYS_exit,
    SYS_exit_group, SYS_faccessat, SYS_fadvise64, SYS_fallocate, SYS_fchdir, SYS_fcntl, SYS_fdatasync, SYS_flock,
    SYS_fstat, SYS_fstatfs, SYS_fsync, SYS_ftruncate, SYS_futex, SYS_getcwd, SYS_getdents64, SYS_getegid, SYS_geteuid,
    SYS_getgid, SYS_getpid, SYS_getpeername, SYS_getppid, SYS_getrandom, SYS_getsockname, SYS_getsockopt, SYS_gettid,
    SYS_getuid, SYS_ioctl, SYS_kill, SYS_listen, SYS_lseek, SYS_madvise, SYS_mkdirat, SYS_mlockall, SYS_mmap,
    SYS_mprotect, SYS_mremap, SYS_munmap, SYS_newfstatat, SYS_openat, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_pipe2,
    SYS_ppoll, SYS_prctl, SYS_pread64, SYS_prlimit64, SYS_read, SYS_readlinkat, SYS_readv, SYS_recvfrom, SYS_recvmsg,
    SYS_renameat, SYS_restart_syscall, SYS_rseq, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_sched_getaffinity, SYS_sched_yield, SYS_sendmsg, SYS_sendto, SYS_set_robust_list, SYS_set_tid_address,
    SYS_setsockopt, SYS_shutdown, SYS_sigaltstack, SYS_socket, SYS_socketpair, SYS_statfs, SYS_statx, SYS_sysinfo,
    SYS_timerfd_create, SYS_timerfd_settime, SYS_tgkill, SYS_uname, SYS_unlinkat, SYS_wait4, SYS_waitid, SYS_write,
    SYS_writev,
);

#[cfg(target_arch = "x86_64")]
calls!(
    OLD:
    SYS_access, SYS_arch_prctl, SYS_epoll_wait, SYS_mkdir, SYS_open, SYS_poll, SYS_readlink, SYS_rename, SYS_stat,
    SYS_unlink, SYS_vfork,
);
#[cfg(not(target_arch = "x86_64"))]
calls!(OLD:);

pub fn name(number: u64) -> String {
    let known = EVERYWHERE.iter().chain(OLD).find(|(known, _)| known.cast_unsigned() == number);
    known.map_or_else(|| format!("call{number}"), |(_, name)| name.trim_start_matches("SYS_").to_owned())
}
