/* SPDX-License-Identifier: MIT */
/*
 * Fails the Nth call of a library function, on order.
 *
 * The functions below stand before those of the C library and liburing, either because this library is
 * preloaded or because it is linked into the test. Each counts its call, asks fails() and goes on to the real
 * function (the next of that name, RTLD_NEXT) unless it is this call's turn. What allows it: calls among the
 * C library's own functions do not pass here, except for malloc and its kin; so a count is the number of
 * calls the tested code makes, and the same at each run of deterministic code.
 *
 * A close that "fails" has closed all the same, and a connect that "was interrupted" goes on, as Linux has
 * it; every other failed call has done nothing. An eventfd never fails but for EINTR: the kernel has no other
 * error for it, and what would be tested is a lost wake-up that cannot happen.
 *
 * To add a call: a row in CALLS and a wrapper; a call that has a second name for large files (open64) counts
 * under its first. Raw system calls are counted if they go through syscall(): a row in RAW_CALLS names them.
 */
#undef _FILE_OFFSET_BITS /* both names of a call must be definable */
#include "inject.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* One row a call: its name and the error it usually has. The allocations come first. */
#define ALLOCATIONS(X)        \
    X(malloc, ENOMEM)         \
    X(calloc, ENOMEM)         \
    X(realloc, ENOMEM)        \
    X(posix_memalign, ENOMEM) \
    X(aligned_alloc, ENOMEM)  \
    X(mmap, ENOMEM)

/* Name, usual error, number: system calls made through syscall(). */
#define RAW_CALLS(X)                                   \
    X(openat2, EMFILE, SYS_openat2)                    \
    X(pidfd_open, EMFILE, SYS_pidfd_open)              \
    X(pidfd_send_signal, EPERM, SYS_pidfd_send_signal) \
    X(getdents64, EIO, SYS_getdents64)                 \
    X(close_range, ENOSYS, SYS_close_range)            \
    X(memfd_create, EMFILE, SYS_memfd_create)          \
    X(io_uring_setup, ENOSYS, SYS_io_uring_setup)      \
    X(io_uring_enter, EBUSY, SYS_io_uring_enter)       \
    X(io_uring_register, ENOMEM, SYS_io_uring_register)

#define SYSTEM_CALLS(X)                        \
    X(socket, EMFILE)                          \
    X(socketpair, EMFILE)                      \
    X(accept4, EMFILE)                         \
    X(connect, ECONNREFUSED)                   \
    X(bind, EADDRINUSE)                        \
    X(listen, EADDRINUSE)                      \
    X(shutdown, ENOTCONN)                      \
    X(getsockopt, EINVAL)                      \
    X(setsockopt, EINVAL)                      \
    X(getsockname, ENOBUFS)                    \
    X(getpeername, ENOTCONN)                   \
    X(recv, ECONNRESET)                        \
    X(recvfrom, ECONNRESET)                    \
    X(recvmsg, ECONNRESET)                     \
    X(recvmmsg, ENOMEM)                        \
    X(sendmmsg, ENOBUFS)                       \
    X(send, EPIPE)                             \
    X(sendto, EPIPE)                           \
    X(sendmsg, EPIPE)                          \
    X(read, EIO)                               \
    X(readv, EIO)                              \
    X(pread, EIO)                              \
    X(write, EIO)                              \
    X(writev, EIO)                             \
    X(pwrite, ENOSPC)                          \
    X(sendfile, EIO)                           \
    X(splice, EIO)                             \
    X(copy_file_range, EIO)                    \
    X(open, EMFILE)                            \
    X(openat, EMFILE)                          \
    X(close, EIO)                              \
    X(dup, EMFILE)                             \
    X(dup3, EMFILE)                            \
    X(fcntl, EMFILE)                           \
    X(fstat, EIO)                              \
    X(fstatat, EIO)                            \
    X(statx, EIO)                              \
    X(fsync, EIO)                              \
    X(fdatasync, EIO)                          \
    X(ftruncate, EIO)                          \
    X(fallocate, ENOSPC)                       \
    X(renameat, EIO)                           \
    X(renameat2, EIO)                          \
    X(linkat, EIO)                             \
    X(unlinkat, EIO)                           \
    X(mkdirat, ENOSPC)                         \
    X(symlinkat, ENOSPC)                       \
    X(readlinkat, EIO)                         \
    X(fchmod, EPERM)                           \
    X(flock, ENOLCK)                           \
    X(chmod, EPERM)                            \
    X(lstat, EIO)                              \
    X(unlink, EIO)                             \
    X(faccessat, EIO)                          \
    X(futimens, EPERM)                         \
    X(utimensat, EPERM)                        \
    X(preadv2, EIO)                            \
    X(fdopendir, ENOMEM)                       \
    X(readdir, EIO)                            \
    X(epoll_create1, EMFILE)                   \
    X(epoll_ctl, ENOSPC)                       \
    X(epoll_wait, EINTR)                       \
    X(epoll_pwait2, EINTR)                     \
    X(poll, EINTR)                             \
    X(ppoll, EINTR)                            \
    X(select, EINTR)                           \
    X(eventfd, EMFILE)                         \
    X(timerfd_create, EMFILE)                  \
    X(timerfd_settime, EINVAL)                 \
    X(signalfd, EMFILE)                        \
    X(pipe2, EMFILE)                           \
    X(mprotect, ENOMEM)                        \
    X(madvise, ENOMEM)                         \
    X(pthread_create, EAGAIN)                  \
    X(fork, EAGAIN)                            \
    X(posix_spawn, EAGAIN)                     \
    X(posix_spawnp, EAGAIN)                    \
    X(waitid, EINTR)                           \
    X(waitpid, EINTR)                          \
    X(io_uring_queue_init, ENOSYS)             \
    X(io_uring_queue_init_params, ENOSYS)      \
    X(io_uring_submit, EBUSY)                  \
    X(io_uring_submit_and_wait, EINTR)         \
    X(io_uring_submit_and_wait_timeout, EINTR) \
    X(io_uring_get_events, EINTR)              \
    X(io_uring_wait_cqes, EINTR)               \
    X(io_uring_submit_and_get_events, EINTR)   \
    X(io_uring_register_sync_cancel, EINTR)    \
    X(io_uring_ring_dontfork, ENOMEM)          \
    X(io_uring_register_ring_fd, EINVAL)

enum call {
#define AS_ENUM(name, ...) CALL_##name,
    ALLOCATIONS(AS_ENUM) FIRST_SYSTEM_CALL,
    BEFORE_SYSTEM_CALLS = FIRST_SYSTEM_CALL - 1,
    SYSTEM_CALLS(AS_ENUM) RAW_CALLS(AS_ENUM) CALL_COUNT,
    ANY_ALLOC,
    ANY_SYSCALL,
    NO_CALL,
};

static const struct {
    const char *name;
    int error;
} calls[] = {
#define AS_ROW(name, error, ...) {#name, error},
    ALLOCATIONS(AS_ROW) SYSTEM_CALLS(AS_ROW) RAW_CALLS(AS_ROW)};

struct orders {
    atomic_ulong counts[CALL_COUNT];
    atomic_int armed;        /* which call fails */
    atomic_ulong nth;        /* at which of them */
    atomic_bool on;          /* and all after it */
    atomic_int error;        /* with what; 0: its usual error */
    atomic_ulong seen, hits; /* calls of what is armed, and how many of them failed */
    atomic_int shortened;    /* which call moves one byte at a time */
};

static struct orders own = {.armed = NO_CALL, .shortened = NO_CALL};
static struct orders *orders = &own; /* or in memory that forked children share */

static bool matches(int what, enum call call)
{
    if (what == ANY_ALLOC)
        return call < FIRST_SYSTEM_CALL;
    if (what == ANY_SYSCALL)
        return call >= FIRST_SYSTEM_CALL && call < CALL_COUNT;
    return what == (int)call;
}

/* A thread that has not come to its own function yet, or has left it, belongs to the C library and the
 * sanitizers: what those allocate there is not counted. */
static __thread bool is_begun __attribute__((tls_model("initial-exec")));

/* Count a call. Returns 0, or the error that it shall fail with. */
static int fails(enum call call)
{
    if (call < FIRST_SYSTEM_CALL && !is_begun)
        return 0;
    atomic_fetch_add(&orders->counts[call], 1);
    if (!matches(atomic_load(&orders->armed), call))
        return 0;
    unsigned long n = atomic_fetch_add(&orders->seen, 1) + 1, nth = atomic_load(&orders->nth);
    if (n != nth && !(n > nth && atomic_load(&orders->on)))
        return 0;
    atomic_fetch_add(&orders->hits, 1);
    int error = atomic_load(&orders->error);
    return error ? error : calls[call].error;
}

static bool is_eventfd(int fd)
{
    char path[32], what[32] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, what, sizeof what - 1) > 0 && !strcmp(what, "anon_inode:[eventfd]");
}

/* The same for a read or write of fd: an eventfd has EINTR at most, and no order to fail otherwise counts it.
 */
static int fails_at(enum call call, int fd)
{
    int error = atomic_load(&orders->error);
    error = error ? error : calls[call].error;
    if (error != EINTR && matches(atomic_load(&orders->armed), call) && is_eventfd(fd))
        return 0;
    return fails(call);
}

/* How many bytes a call for n of them may move. */
static size_t allowed(enum call call, int fd, size_t n)
{
    return n > 1 && matches(atomic_load(&orders->shortened), call) && !is_eventfd(fd) ? 1 : n;
}

/* The same for a vector: its first piece that is not empty, in one. Returns whether one stands for the rest.
 */
static bool shorten(enum call call, int fd, const struct iovec *v, size_t n, struct iovec *one)
{
    if (!matches(atomic_load(&orders->shortened), call) || is_eventfd(fd))
        return false;
    for (; n > 0; v++, n--) {
        if (v->iov_len > 0) {
            *one = (struct iovec){.iov_base = v->iov_base, .iov_len = 1};
            return true;
        }
    }
    return false;
}

static int find_call(const char *name)
{
    if (!strcmp(name, "any-alloc"))
        return ANY_ALLOC;
    if (!strcmp(name, "any-syscall"))
        return ANY_SYSCALL;
    for (int i = 0; i < CALL_COUNT; i++) {
        if (!strcmp(calls[i].name, name))
            return i;
    }
    return NO_CALL;
}

static int arm(const char *name, unsigned long nth, int error, bool on)
{
    int call = find_call(name);
    if (call == NO_CALL || nth == 0)
        return -1;
    ly_fault_disarm();
    for (int i = 0; i < CALL_COUNT; i++)
        atomic_store(&orders->counts[i], 0);
    atomic_store(&orders->seen, 0);
    atomic_store(&orders->hits, 0);
    atomic_store(&orders->nth, nth);
    atomic_store(&orders->error, error);
    atomic_store(&orders->on, on);
    atomic_store(&orders->armed, call);
    return 0;
}

int ly_fault_arm(const char *name, unsigned long nth, int error)
{
    return arm(name, nth, error, false);
}

int ly_fault_arm_from(const char *name, unsigned long nth, int error)
{
    return arm(name, nth, error, true);
}

void ly_fault_disarm(void)
{
    atomic_store(&orders->armed, NO_CALL);
}

int ly_fault_short(const char *name)
{
    int call = name ? find_call(name) : NO_CALL;
    if (name && call == NO_CALL)
        return -1;
    atomic_store(&orders->shortened, call);
    return 0;
}

int ly_fault_share(void)
{
    void *shared = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -1;
    memcpy(shared, orders, sizeof own);
    orders = shared;
    return 0;
}

unsigned long ly_fault_count(const char *name)
{
    unsigned long sum = 0;
    int call = find_call(name);
    for (int i = 0; i < CALL_COUNT; i++) {
        if (matches(call, (enum call)i))
            sum += atomic_load(&orders->counts[i]);
    }
    return sum;
}

unsigned long ly_fault_hits(void)
{
    return atomic_load(&orders->hits);
}

static int error_number(const char *text)
{
    for (int i = 1; text && i < 200; i++) {
        const char *name = strerrorname_np(i);
        if (name && !strcmp(name, text))
            return i;
    }
    return text ? (int)strtol(text, NULL, 10) : 0;
}

/* A program whose environment asks for what does not exist must not pass as tested. */
static void refuse(const char *what, const char *value)
{
    fprintf(stderr, "fault: bad %s: %s\n", what, value ? value : "(unset)");
    _exit(125);
}

static bool is_for_this_program(void)
{
    const char *program = getenv("LY_FAULT_PROGRAM");
    return !program || !strcmp(program, program_invocation_short_name);
}

__attribute__((constructor)) static void arm_from_environment(void)
{
    const char *name = getenv("LY_FAULT_CALL"), *nth = getenv("LY_FAULT_NTH");
    const char *shortened = getenv("LY_FAULT_SHORT");
    char *end = NULL;
    is_begun = true;
    if (!is_for_this_program())
        return;
    if (shortened && ly_fault_short(shortened) < 0)
        refuse("LY_FAULT_SHORT", shortened);
    if (!name)
        return;
    unsigned long n = nth ? strtoul(nth, &end, 10) : 0;
    if (n == 0 || (*end && strcmp(end, "+") != 0))
        refuse("LY_FAULT_NTH", nth);
    if (arm(name, n, error_number(getenv("LY_FAULT_ERRNO")), *end == '+') < 0)
        refuse("LY_FAULT_CALL", name);
}

/* One line a process that ends by exit(), appended: what the driver needs to know whether to go on with the
 * next N. */
__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("LY_FAULT_REPORT"), *name = getenv("LY_FAULT_CALL");
    char line[128];
    ly_fault_disarm();
    if (!path || !name || !is_for_this_program())
        return;
    int n = snprintf(line, sizeof line, "call=%s pid=%ld count=%lu hits=%lu\n", name, (long)getpid(),
                     ly_fault_count(name), ly_fault_hits());
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        refuse("LY_FAULT_REPORT", path);
    close(fd);
}

/*
 * The next function of this name. Found at its first call; two threads that look at once find the same. A
 * function pointer travels through memory as ISO C does not let a void pointer become one.
 */
static void find_next(void **place, const char *name)
{
    if (__atomic_load_n(place, __ATOMIC_ACQUIRE))
        return;
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) {
        refuse("call, not found", name);
        __builtin_unreachable();
    }
    __atomic_store_n(place, found, __ATOMIC_RELEASE);
}

#define NEXT(function)                \
    static union {                    \
        void *address;                \
        __typeof__(&(function)) call; \
    } next;                           \
    find_next(&next.address, #function)

/* A wrapper that fails by setting errno and returning failure; counted is the name of its row. */
#define WRAP_AS(result, function, counted, failure, parameters, arguments) \
    LY_FAULT_API result function parameters                                \
    {                                                                      \
        NEXT(function);                                                    \
        int error = fails(CALL_##counted);                                 \
        if (error) {                                                       \
            errno = error;                                                 \
            return failure;                                                \
        }                                                                  \
        return next.call arguments;                                        \
    }
#define WRAP(result, function, parameters, arguments) \
    WRAP_AS(result, function, function, -1, parameters, arguments)

/* One that moves n bytes from or to fd. */
#define WRAP_BYTES(function, counted, parameters, arguments) \
    LY_FAULT_API ssize_t function parameters                 \
    {                                                        \
        NEXT(function);                                      \
        int error = fails_at(CALL_##counted, fd);            \
        if (error) {                                         \
            errno = error;                                   \
            return -1;                                       \
        }                                                    \
        n = allowed(CALL_##counted, fd, n);                  \
        return next.call arguments;                          \
    }

/* One that moves the bytes of a message. */
#define WRAP_MESSAGE(function, type)                                        \
    LY_FAULT_API ssize_t function(int fd, type *m, int flags)               \
    {                                                                       \
        NEXT(function);                                                     \
        struct iovec one;                                                   \
        int error = fails(CALL_##function);                                 \
        if (error) {                                                        \
            errno = error;                                                  \
            return -1;                                                      \
        }                                                                   \
        if (!shorten(CALL_##function, fd, m->msg_iov, m->msg_iovlen, &one)) \
            return next.call(fd, m, flags);                                 \
        struct msghdr small = *m;                                           \
        small.msg_iov = &one;                                               \
        small.msg_iovlen = 1;                                               \
        return next.call(fd, &small, flags);                                \
    }

/* One that moves the bytes of a vector. */
#define WRAP_VECTOR(function)                                           \
    LY_FAULT_API ssize_t function(int fd, const struct iovec *v, int n) \
    {                                                                   \
        NEXT(function);                                                 \
        struct iovec one;                                               \
        int error = fails_at(CALL_##function, fd);                      \
        if (error) {                                                    \
            errno = error;                                              \
            return -1;                                                  \
        }                                                               \
        if (shorten(CALL_##function, fd, v, (size_t)n, &one))           \
            return next.call(fd, &one, 1);                              \
        return next.call(fd, v, n);                                     \
    }

/* One that returns the error: positive as POSIX has it for threads and spawning, negative as liburing has it.
 */
#define WRAP_RETURNING(sign, function, parameters, arguments) \
    LY_FAULT_API int function parameters                      \
    {                                                         \
        NEXT(function);                                       \
        int error = fails(CALL_##function);                   \
        return error ? sign error : next.call arguments;      \
    }

#include "inject_calls.h"
