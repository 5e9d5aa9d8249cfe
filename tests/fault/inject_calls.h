/* SPDX-License-Identifier: MIT */
/* The wrappers of inject.c, included there once. */

WRAP_AS(void *, malloc, malloc, NULL, (size_t n), (n))
WRAP_AS(void *, calloc, calloc, NULL, (size_t count, size_t n), (count, n))
WRAP_AS(void *, realloc, realloc, NULL, (void *p, size_t n), (p, n))
WRAP_AS(void *, aligned_alloc, aligned_alloc, NULL, (size_t to, size_t n), (to, n))
WRAP_RETURNING(+, posix_memalign, (void **p, size_t to, size_t n), (p, to, n))
WRAP_AS(void *, mmap, mmap, MAP_FAILED, (void *at, size_t n, int prot, int flags, int fd, off_t offset),
        (at, n, prot, flags, fd, offset))
WRAP_AS(void *, mmap64, mmap, MAP_FAILED, (void *at, size_t n, int prot, int flags, int fd, off64_t offset),
        (at, n, prot, flags, fd, offset))
WRAP(int, mprotect, (void *at, size_t n, int prot), (at, n, prot))
WRAP(int, madvise, (void *at, size_t n, int advice), (at, n, advice))

WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, socketpair, (int domain, int type, int protocol, int ends[2]), (domain, type, protocol, ends))
WRAP(int, accept4, (int fd, __SOCKADDR_ARG a, socklen_t *n, int flags), (fd, a, n, flags))
WRAP(int, bind, (int fd, __CONST_SOCKADDR_ARG a, socklen_t n), (fd, a, n))
WRAP(int, listen, (int fd, int backlog), (fd, backlog))
WRAP(int, shutdown, (int fd, int how), (fd, how))
WRAP(int, getsockopt, (int fd, int level, int name, void *v, socklen_t *n), (fd, level, name, v, n))
WRAP(int, setsockopt, (int fd, int level, int name, const void *v, socklen_t n), (fd, level, name, v, n))
WRAP(int, getsockname, (int fd, __SOCKADDR_ARG a, socklen_t *n), (fd, a, n))
WRAP(int, getpeername, (int fd, __SOCKADDR_ARG a, socklen_t *n), (fd, a, n))
WRAP_BYTES(recv, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, recvfrom, (int fd, void *p, size_t n, int flags, __SOCKADDR_ARG a, socklen_t *an),
     (fd, p, n, flags, a, an))
WRAP_MESSAGE(recvmsg, struct msghdr)
WRAP_BYTES(send, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, sendto, (int fd, const void *p, size_t n, int flags, __CONST_SOCKADDR_ARG a, socklen_t an),
     (fd, p, n, flags, a, an))
WRAP_MESSAGE(sendmsg, const struct msghdr)
WRAP(int, recvmmsg, (int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t),
     (fd, m, n, flags, t))
WRAP(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned n, int flags), (fd, m, n, flags))

WRAP_BYTES(read, read, (int fd, void *p, size_t n), (fd, p, n))
WRAP_VECTOR(readv)
WRAP_BYTES(pread, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
WRAP_BYTES(pread64, pread, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at))
WRAP_BYTES(write, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP_VECTOR(writev)
WRAP_BYTES(pwrite, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
WRAP_BYTES(pwrite64, pwrite, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
WRAP_BYTES(sendfile, sendfile, (int fd, int from, off_t *at, size_t n), (fd, from, at, n))
WRAP_BYTES(sendfile64, sendfile, (int fd, int from, off64_t *at, size_t n), (fd, from, at, n))
WRAP(ssize_t, splice, (int from, off64_t *a, int to, off64_t *b, size_t n, unsigned flags),
     (from, a, to, b, n, flags))
WRAP(ssize_t, copy_file_range, (int from, off64_t *a, int to, off64_t *b, size_t n, unsigned flags),
     (from, a, to, b, n, flags))

WRAP(int, dup, (int fd), (fd))
WRAP(int, dup3, (int fd, int to, int flags), (fd, to, flags))
WRAP(int, fstat, (int fd, struct stat *s), (fd, s))
WRAP_AS(int, fstat64, fstat, -1, (int fd, struct stat64 *s), (fd, s))
WRAP(int, fstatat, (int fd, const char *name, struct stat *s, int flags), (fd, name, s, flags))
WRAP_AS(int, fstatat64, fstatat, -1, (int fd, const char *name, struct stat64 *s, int flags),
        (fd, name, s, flags))
WRAP(int, statx, (int fd, const char *name, int flags, unsigned mask, struct statx *s),
     (fd, name, flags, mask, s))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, ftruncate, (int fd, off_t n), (fd, n))
WRAP_AS(int, ftruncate64, ftruncate, -1, (int fd, off64_t n), (fd, n))
WRAP(int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
WRAP_AS(int, fallocate64, fallocate, -1, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))
WRAP(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
     (a, from, b, to, flags))
WRAP(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
WRAP(int, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
WRAP(int, mkdirat, (int fd, const char *name, mode_t mode), (fd, name, mode))
WRAP(int, symlinkat, (const char *to, int fd, const char *name), (to, fd, name))
WRAP(ssize_t, readlinkat, (int fd, const char *name, char *p, size_t n), (fd, name, p, n))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, utimensat, (int fd, const char *name, const struct timespec t[2], int flags), (fd, name, t, flags))
WRAP(ssize_t, preadv2, (int fd, const struct iovec *v, int n, off_t at, int flags), (fd, v, n, at, flags))
WRAP_AS(ssize_t, preadv64v2, preadv2, -1, (int fd, const struct iovec *v, int n, off64_t at, int flags),
        (fd, v, n, at, flags))
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(int, lstat, (const char *path, struct stat *s), (path, s))
WRAP_AS(int, lstat64, lstat, -1, (const char *path, struct stat64 *s), (path, s))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, flock, (int fd, int how), (fd, how))
WRAP(int, faccessat, (int fd, const char *name, int mode, int flags), (fd, name, mode, flags))
WRAP(int, futimens, (int fd, const struct timespec t[2]), (fd, t))
WRAP_AS(DIR *, fdopendir, fdopendir, NULL, (int fd), (fd))
WRAP_AS(struct dirent *, readdir, readdir, NULL, (DIR * d), (d))
WRAP_AS(struct dirent64 *, readdir64, readdir, NULL, (DIR * d), (d))

WRAP(int, epoll_create1, (int flags), (flags))
WRAP(int, epoll_wait, (int e, struct epoll_event *events, int n, int ms), (e, events, n, ms))
WRAP(int, epoll_pwait2,
     (int e, struct epoll_event *events, int n, const struct timespec *t, const sigset_t *mask),
     (e, events, n, t, mask))
WRAP(int, poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms))
WRAP(int, ppoll, (struct pollfd * p, nfds_t n, const struct timespec *t, const sigset_t *mask),
     (p, n, t, mask))
WRAP(int, select, (int n, fd_set *in, fd_set *out, fd_set *urgent, struct timeval *t),
     (n, in, out, urgent, t))
WRAP(int, eventfd, (unsigned value, int flags), (value, flags))
WRAP(int, timerfd_create, (clockid_t clock, int flags), (clock, flags))
WRAP(int, timerfd_settime, (int fd, int flags, const struct itimerspec *t, struct itimerspec *old),
     (fd, flags, t, old))
WRAP(int, signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags))

WRAP(pid_t, fork, (void), ())
WRAP_RETURNING(+, posix_spawn,
               (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const env[]),
               (pid, path, actions, attributes, argv, env))
WRAP_RETURNING(+, posix_spawnp,
               (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const env[]),
               (pid, path, actions, attributes, argv, env))
WRAP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
WRAP(int, pidfd_open, (pid_t pid, unsigned flags), (pid, flags))
WRAP(int, pidfd_send_signal, (int fd, int signal, siginfo_t *info, unsigned flags), (fd, signal, info, flags))
WRAP(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))

WRAP_RETURNING(-, io_uring_queue_init, (unsigned n, struct io_uring *u, unsigned flags), (n, u, flags))
WRAP_RETURNING(-, io_uring_queue_init_params, (unsigned n, struct io_uring *u, struct io_uring_params *p),
               (n, u, p))
WRAP_RETURNING(-, io_uring_submit, (struct io_uring * u), (u))
WRAP_RETURNING(-, io_uring_submit_and_wait, (struct io_uring * u, unsigned n), (u, n))
WRAP_RETURNING(-, io_uring_submit_and_wait_timeout,
               (struct io_uring * u, struct io_uring_cqe **c, unsigned n, struct __kernel_timespec *t,
                sigset_t *mask),
               (u, c, n, t, mask))
WRAP_RETURNING(-, io_uring_get_events, (struct io_uring * u), (u))
WRAP_RETURNING(-, io_uring_wait_cqes,
               (struct io_uring * u, struct io_uring_cqe **c, unsigned n, struct __kernel_timespec *t,
                sigset_t *mask),
               (u, c, n, t, mask))
WRAP_RETURNING(-, io_uring_submit_and_get_events, (struct io_uring * u), (u))
WRAP_RETURNING(-, io_uring_register_sync_cancel, (struct io_uring * u, struct io_uring_sync_cancel_reg *c),
               (u, c))
WRAP_RETURNING(-, io_uring_ring_dontfork, (struct io_uring * u), (u))
WRAP_RETURNING(-, io_uring_register_ring_fd, (struct io_uring * u), (u))

struct beginning {
    void *(*run)(void *);
    void *arg;
};

static void *begin_thread(void *beginning)
{
    struct beginning b = *(struct beginning *)beginning;
    free(beginning);
    is_begun = true;
    void *result = b.run(b.arg);
    is_begun = false;
    return result;
}

static struct beginning *new_beginning(void *(*run)(void *), void *arg)
{
    bool counted = is_begun;
    is_begun = false;
    struct beginning *b = malloc(sizeof *b);
    is_begun = counted;
    if (b)
        *b = (struct beginning){run, arg};
    return b;
}

LY_FAULT_API int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
    NEXT(pthread_create);
    int error = fails(CALL_pthread_create);
    struct beginning *b = error ? NULL : new_beginning(run, arg);
    if (!b)
        return error ? error : EAGAIN;
    bool counted = is_begun;
    is_begun = false; /* what the C library and the sanitizers allocate for it is not the caller's */
    error = next.call(t, a, begin_thread, b);
    is_begun = counted;
    if (error)
        free(b);
    return error;
}

/* To forget a descriptor needs nothing that could be wanting. */
LY_FAULT_API int epoll_ctl(int e, int op, int fd, struct epoll_event *event)
{
    NEXT(epoll_ctl);
    int error = op == EPOLL_CTL_DEL ? 0 : fails(CALL_epoll_ctl);
    if (!error)
        return next.call(e, op, fd, event);
    errno = error;
    return -1;
}

/* One that a signal interrupts goes on behind the caller's back. */
LY_FAULT_API int connect(int fd, __CONST_SOCKADDR_ARG a, socklen_t n)
{
    NEXT(connect);
    int error = fails(CALL_connect);
    int r = error && error != EINTR ? -1 : next.call(fd, a, n);
    if (error && (error != EINTR || r == 0 || errno == EINPROGRESS)) {
        errno = error;
        return -1;
    }
    return r;
}

LY_FAULT_API int close(int fd)
{
    NEXT(close);
    int error = fails(CALL_close);
    int r = next.call(fd);
    if (!error)
        return r;
    errno = error;
    return -1;
}

/* The mode is there only if a file may be made. */
#define WRAP_OPEN(function, counted, parameters, ...)   \
    LY_FAULT_API int function parameters                \
    {                                                   \
        NEXT(function);                                 \
        mode_t mode = 0;                                \
        if (__OPEN_NEEDS_MODE(flags)) {                 \
            va_list args;                               \
            va_start(args, flags);                      \
            mode = va_arg(args, mode_t);                \
            va_end(args);                               \
        }                                               \
        int error = fails(CALL_##counted);              \
        if (!error)                                     \
            return next.call(__VA_ARGS__, flags, mode); \
        errno = error;                                  \
        return -1;                                      \
    }
WRAP_OPEN(open, open, (const char *path, int flags, ...), path)
WRAP_OPEN(open64, open, (const char *path, int flags, ...), path)
WRAP_OPEN(openat, openat, (int fd, const char *path, int flags, ...), fd, path)
WRAP_OPEN(openat64, openat, (int fd, const char *path, int flags, ...), fd, path)

/* Whatever the argument is, it travels in a register as a long does. */
#define WRAP_FCNTL(function)                            \
    LY_FAULT_API int function(int fd, int command, ...) \
    {                                                   \
        NEXT(function);                                 \
        va_list args;                                   \
        va_start(args, command);                        \
        long argument = va_arg(args, long);             \
        va_end(args);                                   \
        int error = fails(CALL_fcntl);                  \
        if (!error)                                     \
            return next.call(fd, command, argument);    \
        errno = error;                                  \
        return -1;                                      \
    }
WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)

static int raw_call(long number)
{
    switch (number) {
#define AS_CASE(name, error, number) \
    case number:                     \
        return CALL_##name;
        RAW_CALLS(AS_CASE)
    default:
        return NO_CALL;
    }
}

/* All six registers are handed on; the kernel looks at those that count. */
LY_FAULT_API long syscall(long number, ...)
{
    NEXT(syscall);
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    int call = raw_call(number);
    int error = call == NO_CALL ? 0 : fails((enum call)call);
    if (error) {
        errno = error;
        return -1;
    }
    return next.call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
