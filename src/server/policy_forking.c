/* SPDX-License-Identifier: MIT */
/*
 * A process for each request.
 *
 * The parent closes its copy of the connection at once. Of a child that lives for longer it keeps a pidfd, in
 * one epoll, whose descriptor the serving loop waits for beside the listener; most have ended before that is
 * worth its five system calls, and are found by a look at the oldest in each turn (watch). Only children of
 * this server are ever waited for, each by its own pid: a child that somebody else forked keeps its exit
 * status. A pid cannot have been reused before we wait for it, unless somebody else reaps our children, and
 * then waitid(2) says ECHILD.
 *
 * The child must not return into the caller's code and must not run exit handlers or flush the parent's
 * standard streams: it leaves by _exit, with 0 after a good request and 1 after a failed one, which the
 * parent counts. SIGTERM cancels it: the handler marks the scopes that the interrupted thread is in and makes
 * their descriptors readable, which are stores and write(2)s only, so that the calls end with -ECANCELED and
 * finish runs. What does not end within KILL_AFTER_MS gets SIGKILL.
 *
 * There is no serving from a fiber: a child would have a copy of a loop, and of a ring that is its parent's.
 */
#include "fiber/loop.h"
#include "server/server.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_AFTER_MS 1000
#define LOOK_AT 3 /* how many children without a pidfd are looked at in a turn: more than begin in one */
#define SPARES 16 /* records of children that are kept for the next ones */

struct child {
    struct ly__list link; /* in ly_server.children or watched */
    pid_t pid;
    int pidfd; /* -1: none yet, or there was no descriptor left for it */
};

/* The server whose child this process is. Its parent has stored it before the fork already, where it could: a
 * store in the child would copy a page. */
static _Atomic(struct ly_server *) forked;

/* What start and the child that it begins have in common. */
struct birth {
    struct ly__thread self; /* the child's task */
    struct ly_scope scope;  /* around its request */
    uint64_t mask, open;    /* signals that the parent blocks, and the child, as the kernel takes them */
    struct sigaction term;  /* what the parent does at SIGTERM */
    bool alone;             /* the process has one thread: become_child comes before the fork */
    int hidden;             /* the listener that the child has to close; -1: by ly_sock_close */
};

/* The first records are made with the server, so that they lie beside it: on pages that its children have
 * copied already. */
static int make_spares(struct ly_server *s)
{
    ly__list_init(&s->spare);
    for (s->spares = 0; s->spares < SPARES; s->spares++) {
        struct child *c = malloc(sizeof *c);
        if (!c)
            return -ENOMEM;
        ly__list_append(&s->spare, &c->link);
    }
    return 0;
}

static struct child *new_child(struct ly_server *s)
{
    struct ly__list *first = ly__list_first(&s->spare);
    if (!first)
        return malloc(sizeof(struct child));
    ly__list_remove(first);
    s->spares--;
    return ly__container_of(first, struct child, link);
}

static void free_child(struct ly_server *s, struct child *c)
{
    if (s->spares == SPARES) {
        free(c);
        return;
    }
    ly__list_append(&s->spare, &c->link);
    s->spares++;
}

static int open_children(struct ly_server *s)
{
    ly__list_init(&s->children);
    ly__list_init(&s->watched);
    s->begun = NULL;
    if (make_spares(s) < 0)
        return -ENOMEM;
    void *shared =
        mmap(NULL, sizeof *s->from_child, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -ENOMEM;
    s->from_child = shared;
    s->room_fd = epoll_create1(EPOLL_CLOEXEC);
    return s->room_fd < 0 ? -errno : 0;
}

/* Out of the epoll by hand: children hold copies of the pidfd, so closing ours would not do it. */
static void forget(struct ly_server *s, struct child *c)
{
    ly__list_remove(&c->link);
    if (s->begun == &c->link)
        s->begun = NULL;
    if (c->pidfd >= 0) {
        epoll_ctl(s->room_fd, EPOLL_CTL_DEL, c->pidfd, NULL);
        close(c->pidfd);
    }
    free_child(s, c);
}

static void close_children(struct ly_server *s)
{
    if (s->children.next) {
        ly__list_each_safe (c, &s->children)
            forget(s, ly__container_of(c, struct child, link));
        ly__list_each_safe (c, &s->watched)
            forget(s, ly__container_of(c, struct child, link));
        ly__list_each_safe (c, &s->spare)
            free(ly__container_of(c, struct child, link));
    }
    struct ly_server *announced = s;
    atomic_compare_exchange_strong(&forked, &announced, NULL);
    if (s->room_fd >= 0)
        close(s->room_fd);
    if (s->from_child)
        munmap(s->from_child, sizeof *s->from_child);
}

/* By syscall(2), as a child would map the page of the C library that sigprocmask is in for it alone. */
static void block(const void *signals, uint64_t *ret_before)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, signals, ret_before, sizeof *ret_before);
}

/* ---- in the child ---- */

static struct ly_scope *request_scope(void)
{
    struct ly_server *s = atomic_load_explicit(&forked, memory_order_relaxed);
    return s ? s->request : NULL;
}

static void mark_cancelled(struct ly_scope *s)
{
    static const uint64_t one = 1;
    atomic_store(&s->cancelled, true);
    int fd = atomic_load(&s->cancel_fd);
    while (fd >= 0 && write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ; /* any other error: it is readable already */
}

/* SIGTERM. A shield keeps the outer cancellation away, as it does elsewhere. */
static void cancel_self(int signal_number)
{
    int keep = errno;
    struct ly_scope *inner = ly__task_now ? ly__task_now->scope : NULL, *outermost = request_scope();
    bool shielded = false;
    (void)signal_number;
    for (struct ly_scope *s = inner; s && s != outermost; s = s->parent)
        shielded = shielded || s->shield;
    for (struct ly_scope *s = inner; s && s != outermost && !shielded; s = s->parent)
        mark_cancelled(s);
    if (outermost)
        mark_cancelled(outermost);
    errno = keep;
}

/* What makes the server, and the process, a child's. A store in the child copies a page, and the page of the
 * C library that sigaction is in would be mapped for it: where nobody else can see it, it is done before the
 * fork, and taken back after it. */
static void become_child(struct ly_server *s, struct birth *b)
{
    struct sigaction action = {.sa_handler = cancel_self, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, &b->term);
    s->is_child = true;
    s->request = &b->scope;
}

static void become_parent(struct ly_server *s, struct birth *b)
{
    sigaction(SIGTERM, &b->term, NULL);
    s->is_child = false;
    s->request = NULL;
}

/* This task goes on in memory of the stack, which the child has to itself already, and the scope is there as
 * well: where malloc has put them, pages would be copied. There are no other threads yet. */
LY__HOT static void move_task(struct birth *b)
{
    b->self = *ly__container_of(ly__task_now, struct ly__thread, task);
    ly__list_init(&b->self.task.in_scope);
    ly__task_now = &b->self.task;
    ly__scope_enter_alone(&b->scope, &b->self.task, &(struct ly_scope_options){.name = "request"});
    b->scope.by_signal = true;
}

LY__HOT static void close_listeners(struct ly_server *s, const struct birth *b)
{
    if (b->hidden >= 0) {
        close(b->hidden);
        return;
    }
    for (int i = 0; i < s->listeners && !s->datagrams; i++)
        ly_sock_close(s->listener[i]);
}

/* Not inlined: what the parent touches of its stack at fork is copied for each child. */
LY__HOT static _Noreturn __attribute__((noinline)) void be_child(struct ly_server *s, struct ly_request *rq,
                                                                 struct birth *b)
{
    if (!b->alone) {
        pthread_mutex_unlock(&ly__threads_lock);
        become_child(s, b);
    }
    ly__server_here = s;
    close_listeners(s, b);
    move_task(b);
    if (atomic_load_explicit(&forked, memory_order_relaxed) != s)
        atomic_store_explicit(&forked, s, memory_order_relaxed);
    block(&b->open, NULL);
    int r = ly__request_run(rq, &s->counters[0]);
    ly__request_close(rq);
    _exit(r < 0);
}

/* ---- in the parent ---- */

/* So that the child need not mark it closed. Of a plain listener that nothing else refers to. */
static void hide_listener(struct ly_server *s, struct birth *b)
{
    struct ly_sock *l = s->listener[0];
    if (s->datagrams || s->listeners != 1 || l->is_tls || l->io.reactor || atomic_load(&l->files))
        return;
    b->hidden = l->io.fd;
    l->io.fd = -1;
}

/* No signal may come before a child can take it, and the lock that it needs must be held by nobody else. Not
 * inlined: its frame would be between the parent's and the child's. */
static __attribute__((noinline)) void before_fork(struct ly_server *s, struct birth *b)
{
    sigset_t all;

    b->alone = __libc_single_threaded;
    b->hidden = -1;
    sigfillset(&all);
    block(&all, &b->mask);
    b->open = b->mask & ~(UINT64_C(1) << (SIGTERM - 1));
    if (!b->alone) {
        pthread_mutex_lock(&ly__threads_lock);
        return;
    }
    become_child(s, b);
    hide_listener(s, b);
}

static void after_fork(struct ly_server *s, struct birth *b)
{
    if (b->alone)
        become_parent(s, b);
    else
        pthread_mutex_unlock(&ly__threads_lock);
    if (b->hidden >= 0)
        s->listener[0]->io.fd = b->hidden;
    block(&b->mask, NULL);
}

static void get_pidfd(struct ly_server *s, struct child *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->pidfd >= 0 && epoll_ctl(s->room_fd, EPOLL_CTL_ADD, c->pidfd, &event) < 0) {
        close(c->pidfd);
        c->pidfd = -1;
    }
}

/* See forked. Another server's stays: it may be the one whose child this process is itself. */
static void announce(struct ly_server *s)
{
    struct ly_server *none = NULL;
    if (!atomic_load_explicit(&forked, memory_order_relaxed))
        atomic_compare_exchange_strong(&forked, &none, s);
}

LY__HOT static int start(struct ly_server *s, struct ly_request *rq)
{
    struct birth birth;
    struct child *c = new_child(s);
    if (!c)
        return -ENOMEM;
    announce(s);
    before_fork(s, &birth);
    pid_t pid = fork();
    if (pid == 0)
        be_child(s, rq, &birth);
    if (pid < 0)
        pid = -errno;
    after_fork(s, &birth);
    if (pid < 0) {
        free_child(s, c);
        return (int)pid;
    }
    c->pid = pid;
    c->pidfd = -1;
    ly__list_append(&s->children, &c->link);
    s->begun = &c->link;
    if (!s->datagrams)
        ly_sock_close(rq->sock);
    return 0;
}

LY__HOT static void begin(struct ly_server *s, const struct ly__arrival *a)
{
    struct ly__tls_sock sock;
    struct ly_request own, *rq = ly__request_of(s, a, &own, &sock);

    atomic_fetch_add(&s->counters[0].active, 1);
    if (ly__request_verify(rq, &s->counters[0])) {
        int r = start(s, rq);
        if (r == 0)
            return;
        ly__request_fail(rq, &s->counters[0], "fork", r);
    }
    ly__request_close(rq);
    atomic_fetch_sub(&s->counters[0].active, 1);
    ly__slot_give(s);
}

/* ---- children that end ---- */

/* Has it ended? Then it is forgotten, and its failure counted. */
static bool look_at(struct ly_server *s, struct child *c)
{
    siginfo_t info = {0};
    int r = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG);
    if (r < 0 ? errno != ECHILD : info.si_pid == 0)
        return false;
    if (r == 0 && (info.si_code != CLD_EXITED || info.si_status != 0))
        ly__count(&s->counters[0].failed);
    forget(s, c);
    atomic_fetch_sub(&s->counters[0].active, 1);
    ly__slot_give(s);
    return true;
}

/* Of those that are not watched, some, the oldest first; but not the one that has just begun, which can
 * hardly have ended, and not while somebody waits to be accepted: the look after that is soon enough. */
static void look_at_some(struct ly_server *s)
{
    const struct ly__list *begun = s->begun;
    int some = s->has_arrival ? 0 : LOOK_AT;
    s->begun = NULL;
    s->has_arrival = false;
    ly__list_each_safe (l, &s->children) {
        if (some-- <= 0 || l == begun)
            return;
        look_at(s, ly__container_of(l, struct child, link));
    }
}

static void collect(struct ly_server *s)
{
    struct epoll_event events[32];
    int n = ly__list_empty(&s->watched) ? 0 : epoll_wait(s->room_fd, events, 32, 0);
    for (int i = 0; i < n; i++)
        look_at(s, events[i].data.ptr);
    look_at_some(s);
}

/* See struct ly__policy. Where there is no descriptor for one, it stays among those that are looked at. */
static bool watch(struct ly_server *s, bool now)
{
    if (!now)
        return ly__list_empty(&s->children);
    ly__list_each_safe (l, &s->children) {
        struct child *c = ly__container_of(l, struct child, link);
        if (look_at(s, c))
            continue;
        get_pidfd(s, c);
        if (c->pidfd >= 0) {
            ly__list_remove(l);
            ly__list_append(&s->watched, l);
        }
    }
    return true;
}

static bool none_runs(struct ly_server *s)
{
    watch(s, true);
    collect(s);
    return ly__list_empty(&s->children) && ly__list_empty(&s->watched);
}

static void signal_all(struct ly_server *s, int signal_number)
{
    ly__list_each (l, &s->watched)
        syscall(SYS_pidfd_send_signal, ly__container_of(l, struct child, link)->pidfd, signal_number, NULL,
                0);
    ly__list_each (l, &s->children)
        kill(ly__container_of(l, struct child, link)->pid, signal_number);
}

static void cancel(struct ly_server *s)
{
    struct pollfd p = {.fd = s->room_fd, .events = POLLIN};
    int64_t until = ly_deadline(KILL_AFTER_MS);

    signal_all(s, SIGTERM);
    while (!none_runs(s) && ly_now() < until)
        poll(&p, 1, LY__LOOK_MS);
    signal_all(s, SIGKILL);
}

static void join(struct ly_server *s)
{
    struct pollfd p = {.fd = s->room_fd, .events = POLLIN};
    while (!none_runs(s))
        poll(&p, 1, LY__LOOK_MS);
}

const struct ly__policy ly__forking_policy = {
    .name = "forking",
    .max_requests = 40,
    .max_packets = 40,
    .batch = 1,
    .in_fibers = false,
    .open = open_children,
    .close = close_children,
    .serve = ly__serve_turns,
    .begin = begin,
    .collect = collect,
    .watch = watch,
    .cancel = cancel,
    .join = join,
};
