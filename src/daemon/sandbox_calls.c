/* SPDX-License-Identifier: MIT */
/*
 * seccomp. Three kinds of system calls: those that a worker makes (allowed, some with certain arguments
 * only), those by which one that was taken over would reach out (they end the process, and whoever waits for
 * it sees SIGSYS), and all others, which fail with ENOSYS as on a kernel that does not know them.
 *
 * io_uring is among the second: what is asked for through a ring passes by the filter.
 */
#include "daemon/sandbox.h"
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CALL(name) SCMP_SYS(name)

static const int allowed[] = {
    /* descriptors */
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(pread64),
    CALL(pwrite64),
    CALL(preadv),
    CALL(preadv2),
    CALL(pwritev),
    CALL(close),
    CALL(close_range),
    CALL(fcntl),
    CALL(dup),
    CALL(lseek),
    CALL(pipe2),
    CALL(eventfd2),
    CALL(splice),
    CALL(sendfile),
    CALL(copy_file_range),
    /* connections that are there, and new ones of listeners that are there */
    CALL(accept),
    CALL(accept4),
    CALL(recvfrom),
    CALL(recvmsg),
    CALL(recvmmsg),
    CALL(sendto),
    CALL(sendmsg),
    CALL(sendmmsg),
    CALL(shutdown),
    CALL(getsockopt),
    CALL(setsockopt),
    CALL(getsockname),
    CALL(getpeername),
    /* waiting */
    CALL(epoll_create1),
    CALL(epoll_ctl),
    CALL(epoll_wait),
    CALL(epoll_pwait),
    CALL(epoll_pwait2),
    CALL(poll),
    CALL(ppoll),
    CALL(select),
    CALL(pselect6),
    CALL(futex),
    CALL(restart_syscall),
    /* files: which ones is Landlock's business */
    CALL(open),
    CALL(openat),
    CALL(openat2),
    CALL(stat),
    CALL(lstat),
    CALL(fstat),
    CALL(newfstatat),
    CALL(statx),
    CALL(statfs),
    CALL(fstatfs),
    CALL(getdents64),
    CALL(mkdirat),
    CALL(mkdir),
    CALL(unlinkat),
    CALL(unlink),
    CALL(rmdir),
    CALL(renameat2),
    CALL(renameat),
    CALL(rename),
    CALL(linkat),
    CALL(link),
    CALL(symlinkat),
    CALL(symlink),
    CALL(readlinkat),
    CALL(readlink),
    CALL(fchmod),
    CALL(fchmodat),
    CALL(utimensat),
    CALL(ftruncate),
    CALL(fallocate),
    CALL(fsync),
    CALL(fdatasync),
    CALL(flock),
    CALL(faccessat),
    CALL(faccessat2),
    CALL(access),
    CALL(umask),
    CALL(fadvise64),
    CALL(readahead),
    CALL(sync_file_range),
    CALL(getcwd),
    /* memory */
    CALL(munmap),
    CALL(madvise),
    CALL(mremap),
    CALL(brk),
    CALL(mincore),
    CALL(membarrier),
    /* threads, signals, time */
    CALL(set_robust_list),
    CALL(rseq),
    CALL(set_tid_address),
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(rt_sigtimedwait),
    CALL(sigaltstack),
    CALL(gettid),
    CALL(getpid),
    CALL(getppid),
    CALL(exit),
    CALL(exit_group),
    CALL(sched_yield),
    CALL(sched_getaffinity),
    CALL(nanosleep),
    CALL(clock_nanosleep),
    CALL(clock_gettime),
    CALL(clock_getres),
    CALL(gettimeofday),
    CALL(time),
    CALL(timerfd_create),
    CALL(timerfd_settime),
    CALL(getcpu),
    CALL(getrandom),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL(uname),
    CALL(sysinfo),
    CALL(getrusage),
    CALL(times),
};

static const int fatal[] = {
    CALL(execve),
    CALL(execveat),
    CALL(fork),
    CALL(vfork),
    CALL(socket),
    CALL(socketpair),
    CALL(connect),
    CALL(bind),
    CALL(listen),
    CALL(ptrace),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(kill),
    CALL(tkill),
    CALL(rt_sigqueueinfo),
    CALL(rt_tgsigqueueinfo),
    CALL(pidfd_open),
    CALL(pidfd_getfd),
    CALL(pidfd_send_signal),
    CALL(io_uring_setup),
    CALL(io_uring_enter),
    CALL(io_uring_register),
    CALL(bpf),
    CALL(perf_event_open),
    CALL(userfaultfd),
    CALL(mount),
    CALL(umount2),
    CALL(move_mount),
    CALL(open_tree),
    CALL(fsopen),
    CALL(pivot_root),
    CALL(chroot),
    CALL(unshare),
    CALL(setns),
    CALL(setuid),
    CALL(setgid),
    CALL(setreuid),
    CALL(setregid),
    CALL(setresuid),
    CALL(setresgid),
    CALL(setgroups),
    CALL(setfsuid),
    CALL(setfsgid),
    CALL(capset),
    CALL(personality),
    CALL(init_module),
    CALL(finit_module),
    CALL(delete_module),
    CALL(kexec_load),
    CALL(keyctl),
    CALL(add_key),
    CALL(request_key),
    CALL(reboot),
    CALL(swapon),
    CALL(swapoff),
    CALL(acct),
    CALL(settimeofday),
    CALL(clock_settime),
    CALL(adjtimex),
    CALL(mknod),
    CALL(mknodat),
    CALL(chown),
    CALL(fchown),
    CALL(lchown),
    CALL(fchownat),
    CALL(memfd_create),
    CALL(open_by_handle_at),
    CALL(quotactl),
    CALL(iopl),
    CALL(ioperm),
    CALL(modify_ldt),
};

/* Each row is one rule, so an argument that may have several values has several. */
static const struct {
    int call;
    struct scmp_arg_cmp only;
} with_argument[] = {
    {CALL(mmap), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
    {CALL(mprotect), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
    {CALL(clone), {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM | CLONE_NEWUSER, CLONE_THREAD | CLONE_VM}},
    {CALL(ioctl), {1, SCMP_CMP_EQ, FIONREAD, 0}},
    {CALL(ioctl), {1, SCMP_CMP_EQ, FIONBIO, 0}},
    {CALL(prctl), {0, SCMP_CMP_EQ, PR_SET_NAME, 0}},
    {CALL(prlimit64), {2, SCMP_CMP_EQ, 0, 0}}, /* asking, not setting */
};

static int add_list(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        if (calls[i] >= 0) /* else this architecture has no such call */
            r = seccomp_rule_add(filter, action, calls[i], 0);
    }
    return r;
}

static int add_rules(scmp_filter_ctx filter)
{
    int r = add_list(filter, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed);
    if (r == 0)
        r = add_list(filter, SCMP_ACT_KILL_PROCESS, fatal, sizeof fatal / sizeof *fatal);
    for (size_t i = 0; i < sizeof with_argument / sizeof *with_argument && r == 0; i++)
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, with_argument[i].call, 1, &with_argument[i].only);
    const struct scmp_arg_cmp own = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0}; /* abort(3) */
    if (r == 0)
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, CALL(tgkill), 1, &own);
    return r;
}

int ly__sandbox_confine_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!filter)
        return -ENOMEM;
    int r = add_rules(filter);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r < 0 ? r : LY__SANDBOX_CALLS;
}

int ly__sandbox_enter(int root_fd)
{
    /* also done by libseccomp, but Landlock comes first: loading the filter takes it away */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    int files = ly__sandbox_confine_files(root_fd);
    int calls = files < 0 ? files : ly__sandbox_confine_calls();
    return calls < 0 ? calls : files | calls;
}
