/* SPDX-License-Identifier: MIT */
/* The event loop, over each poller, in a thread and in a fiber on each reactor. */
#include "../everywhere.h"
#include <errno.h>
#include <lanyard/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const names[] = {"select", "poll", "epoll", "io_uring"};

/* What a body works with: a loop, a pair of sockets, and a log of the callbacks, a letter each. */
static struct ly_events *loop;
static int end[2];
static char calls[256];
static size_t calls_count;

static void note(char letter)
{
    if (calls_count < sizeof calls - 1)
        calls[calls_count++] = letter;
}

static size_t counted(char letter)
{
    size_t n = 0;
    for (size_t i = 0; i < calls_count; i++)
        n += calls[i] == letter;
    return n;
}

static ly_task_fn *body_now;
static const char *name_now;

static int run_body(void *arg)
{
    memset(calls, 0, sizeof calls);
    calls_count = 0;
    int r = ly_events_open(&loop, name_now);
    if (r < 0)
        return r;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, end) == 0);
    r = body_now(arg);
    ly_events_free(loop);
    close(end[0]);
    close(end[1]);
    return r;
}

static void over_all(ly_task_fn *body)
{
    body_now = body;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ly_poller *p;
        name_now = names[i];
        if (ly_poller_open(&p, name_now) == LY_ENOREACTOR) {
            print_message("# %s is not usable here\n", name_now);
            continue;
        }
        ly_poller_free(p);
        everywhere(run_body);
    }
}

/* ---- callbacks ---- */

static void note_and_stop(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)what;
    note((char)(intptr_t)arg);
    ly_watcher_stop(w);
}

static void note_only(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)w;
    (void)what;
    note((char)(intptr_t)arg);
}

static void *letter(char c)
{
    return (void *)(intptr_t)c;
}

static unsigned told;

static void remember(struct ly_watcher *w, unsigned what, void *arg)
{
    told = what;
    note_and_stop(w, what, arg);
}

static void stop_loop(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)what;
    note((char)(intptr_t)arg);
    ly_watcher_stop(w);
    ly_events_stop(ly_watcher_loop(w));
}

/* ---- descriptors ---- */

static int read_and_write(void *arg)
{
    (void)arg;
    CHECK(ly_watch_fd(NULL, loop, end[0], LY_POLL_OUT, note_and_stop, letter('w')) == 0);
    CHECK(ly_watch_fd(NULL, loop, end[0], LY_POLL_IN, note_and_stop, letter('r')) == 0);
    CHECK(ly_watch_fd(NULL, loop, end[0], LY_POLL_IN, note_and_stop, letter('s')) == 0);
    CHECK(send(end[1], "x", 1, 0) == 1);
    CHECK(ly_events_run(loop) == 0); /* until none is started */
    CHECK(calls_count == 3 && counted('w') == 1 && counted('r') == 1 && counted('s') == 1);
    return 0;
}

static void one_descriptor_has_several_watchers(void **state)
{
    (void)state;
    over_all(read_and_write);
}

static void read_one_byte(struct ly_watcher *w, unsigned what, void *arg)
{
    char byte;
    (void)arg;
    if (what & LY_POLL_IN && recv(ly_watcher_fd(w), &byte, 1, 0) == 1)
        note(byte);
    else
        ly_watcher_free(w);
}

static int read_by_bytes(void *arg)
{
    struct ly_watcher *w;
    (void)arg;
    CHECK(ly_watch_fd(&w, loop, end[0], LY_POLL_IN, read_one_byte, NULL) == 0);
    CHECK(ly_watcher_fd(w) == end[0] && ly_watcher_loop(w) == loop && ly_watcher_is_started(w));
    CHECK(send(end[1], "abc", 3, 0) == 3);
    CHECK(shutdown(end[1], SHUT_WR) == 0);
    CHECK(ly_events_run(loop) == 0);
    CHECK(strcmp(calls, "abc") == 0);
    return 0;
}

static void what_is_left_unread_is_told_again(void **state)
{
    (void)state;
    over_all(read_by_bytes);
}

static int watch_the_end(void *arg)
{
    (void)arg;
    int r = ly_watch_close(NULL, loop, end[0], remember, letter('c'));
    if (ly_events_poller(loop)[0] == 's') {
        CHECK(r == -EOPNOTSUPP);
        return 0;
    }
    CHECK(r == 0);
    CHECK(send(end[1], "unread", 6, 0) == 6);
    CHECK(ly_watch_timer(NULL, loop, 5, 0, stop_loop, letter('t')) == 0);
    CHECK(ly_events_run(loop) == 0);
    CHECK(strcmp(calls, "t") == 0); /* not while it only sends */
    CHECK(shutdown(end[1], SHUT_WR) == 0);
    CHECK(ly_events_run(loop) == 0);
    CHECK(counted('c') == 1 && told & LY_POLL_RDHUP);
    return 0;
}

static void a_peers_end_is_told_once_though_nobody_reads(void **state)
{
    (void)state;
    over_all(watch_the_end);
}

static int refuse(void *arg)
{
    struct ly_watcher *w = (struct ly_watcher *)(void *)loop;
    (void)arg;
    CHECK(ly_watch_fd(&w, loop, -1, LY_POLL_IN, note_only, NULL) == -EBADF);
    CHECK(ly_watch_fd(&w, loop, 1 << 30, LY_POLL_IN, note_only, NULL) == -EBADF);
    CHECK(ly_watch_fd(&w, loop, end[0], LY_POLL_IN | LY_POLL_EDGE, note_only, NULL) == -EINVAL);
    CHECK(ly_watch_timer(&w, loop, -1, 0, note_only, NULL) == -EINVAL);
    CHECK(ly_watch_timer(&w, loop, 0, INT64_MAX, note_only, NULL) == -EINVAL);
    CHECK(ly_watch_signal(&w, loop, 0, note_only, NULL) == -EINVAL);
    CHECK(ly_watch_signal(&w, loop, 65, note_only, NULL) == -EINVAL);
    CHECK(ly_watch_signal(&w, loop, SIGKILL, note_only, NULL) == -EINVAL);
    CHECK((void *)w == (void *)loop); /* untouched */
    CHECK(ly_events_run(loop) == 0 && calls_count == 0);
    return 0;
}

static void what_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    over_all(refuse);
}

static int watch_closed(void *arg)
{
    struct ly_watcher *w;
    int other = dup(end[0]);
    (void)arg;
    if (ly_events_poller(loop)[0] == 'e' || ly_events_poller(loop)[0] == 'i') {
        close(other);
        return 0;
    }
    CHECK(ly_watch_fd(&w, loop, other, LY_POLL_IN, remember, letter('n')) == 0);
    CHECK(ly_watch_timer(NULL, loop, 0, 0, note_only, letter('t')) == 0);
    ly_watcher_stop(w);
    CHECK(ly_events_run(loop) == 0); /* whatever it opens for waiting is open now */
    CHECK(ly_watcher_start(w) == 0);
    close(other);
    CHECK(ly_events_run(loop) == 0);
    CHECK(strcmp(calls, "tn") == 0 && told == LY_POLL_NVAL);
    return 0;
}

static void a_closed_descriptor_is_told_once(void **state)
{
    (void)state;
    over_all(watch_closed);
}

static void toggle(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)arg;
    note(what & LY_POLL_IN ? 'r' : 'w');
    if (calls_count == 4)
        ly_watcher_free(w);
    else
        ly_watcher_set_events(w, what & LY_POLL_IN ? LY_POLL_OUT : LY_POLL_IN);
}

static int change_events(void *arg)
{
    struct ly_watcher *w;
    (void)arg;
    CHECK(ly_watch_fd(&w, loop, end[0], LY_POLL_IN, toggle, NULL) == 0);
    CHECK(ly_watcher_set_events(w, LY_POLL_EDGE) == -EINVAL);
    CHECK(ly_watcher_set_timer(w, 1, 1) == -EINVAL);
    CHECK(send(end[1], "x", 1, 0) == 1);
    CHECK(ly_events_run(loop) == 0);
    CHECK(strcmp(calls, "rwrw") == 0);
    return 0;
}

static void what_a_watcher_waits_for_can_be_changed(void **state)
{
    (void)state;
    over_all(change_events);
}

/* ---- ending from callbacks ---- */

static struct ly_watcher *victims[4];

/* Whoever comes first ends the other. */
static void end_the_other(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)what;
    note('e');
    for (int i = 0; i < 2; i++)
        if (victims[i] != w) {
            int fd = ly_watcher_fd(victims[i]);
            ly_watcher_free(victims[i]);
            close(fd);
        }
    (void)arg;
    ly_watcher_free(w);
}

static int end_each_other(void *arg)
{
    int fd[2];
    (void)arg;
    for (int i = 0; i < 2; i++) {
        fd[i] = dup(end[i]);
        CHECK(ly_watch_fd(&victims[i], loop, fd[i], LY_POLL_OUT, end_the_other, NULL) == 0);
    }
    CHECK(ly_events_run(loop) == 0);
    CHECK(strcmp(calls, "e") == 0); /* both were ready; one was called */
    CHECK((write(fd[0], "", 0) < 0) != (write(fd[1], "", 0) < 0));
    close(fd[0]);
    close(fd[1]);
    return 0;
}

static void a_callback_ends_another_watcher_and_its_own(void **state)
{
    (void)state;
    over_all(end_each_other);
}

static void freed(void *arg)
{
    note((char)(intptr_t)arg);
}

static void end_all(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)what;
    note((char)(intptr_t)arg);
    ly_events_free(ly_watcher_loop(w));
}

static int end_the_loop(void *arg)
{
    struct ly_events *other;
    struct ly_watcher *w;
    (void)arg;
    CHECK(ly_events_open(&other, ly_events_poller(loop)) == 0);
    CHECK(ly_watch_fd(&w, other, end[0], LY_POLL_OUT, end_all, letter('x')) == 0);
    ly_watcher_on_free(w, freed);
    CHECK(ly_watch_fd(&w, other, end[1], LY_POLL_OUT, end_all, letter('y')) == 0);
    ly_watcher_on_free(w, freed);
    CHECK(ly_watch_timer(&w, other, 0, 1, end_all, letter('z')) == 0);
    ly_watcher_on_free(w, freed);
    CHECK(ly_events_run(other) == 0);
    CHECK(calls_count == 4); /* one call, and the ends of three */
    CHECK(counted('x') >= 1 && counted('y') >= 1 && counted('z') >= 1);
    return 0;
}

static void a_callback_frees_the_loop(void **state)
{
    (void)state;
    over_all(end_the_loop);
}

static int stop_and_go_on(void *arg)
{
    (void)arg;
    CHECK(ly_watch_fd(NULL, loop, end[0], LY_POLL_OUT, stop_loop, letter('a')) == 0);
    CHECK(ly_watch_fd(NULL, loop, end[1], LY_POLL_OUT, stop_loop, letter('b')) == 0);
    CHECK(ly_events_run(loop) == 0 && calls_count == 1);
    CHECK(ly_events_run(loop) == 0 && calls_count == 2);
    CHECK(counted('a') == 1 && counted('b') == 1);
    ly_events_stop(loop); /* before it begins */
    CHECK(ly_watch_idle(NULL, loop, stop_loop, letter('c')) == 0);
    CHECK(ly_events_run(loop) == 0 && calls_count == 2);
    CHECK(ly_events_run(loop) == 0 && counted('c') == 1);
    return 0;
}

static void a_loop_that_was_stopped_goes_on_where_it_was(void **state)
{
    (void)state;
    over_all(stop_and_go_on);
}

static void run_again(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)what;
    (void)arg;
    told = (unsigned)-ly_events_run(ly_watcher_loop(w));
    ly_watcher_free(w);
}

static int run_inside(void *arg)
{
    (void)arg;
    CHECK(ly_watch_idle(NULL, loop, run_again, NULL) == 0);
    CHECK(ly_events_run(loop) == 0 && told == EBUSY);
    return 0;
}

static void a_loop_does_not_run_inside_itself(void **state)
{
    (void)state;
    over_all(run_inside);
}

/* ---- timers ---- */

static int64_t began, took;

static void note_time(struct ly_watcher *w, unsigned what, void *arg)
{
    took = ly_now() - began;
    note_only(w, what, arg);
}

static void tick_three_times(struct ly_watcher *w, unsigned what, void *arg)
{
    told += what;
    note((char)(intptr_t)arg);
    if (told >= 3)
        ly_watcher_stop(w);
}

static int time_passes(void *arg)
{
    struct ly_watcher *w;
    (void)arg;
    told = 0;
    began = ly_now();
    CHECK(ly_watch_timer(NULL, loop, 12, 0, note_time, letter('b')) == 0);
    CHECK(ly_watch_timer(NULL, loop, 0, 0, note_only, letter('a')) == 0);
    CHECK(ly_watch_timer(&w, loop, 1000000, 0, note_only, letter('c')) == 0);
    CHECK(ly_watcher_set_timer(w, 1, 3) == 0);
    ly_watcher_free(w);
    CHECK(ly_events_run(loop) == 0);
    CHECK(strcmp(calls, "ab") == 0 && took >= 12 * INT64_C(1000000));
    began = ly_now();
    CHECK(ly_watch_timer(NULL, loop, 2, 3, tick_three_times, letter('t')) == 0);
    CHECK(ly_events_run(loop) == 0);
    CHECK(told >= 3 && ly_now() - began >= 8 * INT64_C(1000000));
    return 0;
}

static void timers_fire_in_order_and_never_early(void **state)
{
    (void)state;
    over_all(time_passes);
}

static int restart_timer(void *arg)
{
    struct ly_watcher *w;
    (void)arg;
    CHECK(ly_watch_timer(&w, loop, 1, 0, note_only, letter('t')) == 0);
    CHECK(ly_events_run(loop) == 0 && !ly_watcher_is_started(w));
    CHECK(ly_watcher_start(w) == 0 && ly_watcher_start(w) == 0);
    CHECK(ly_events_run(loop) == 0);
    CHECK(strcmp(calls, "tt") == 0);
    return 0;
}

static void a_timer_that_has_fired_can_be_started_again(void **state)
{
    (void)state;
    over_all(restart_timer);
}

/* ---- signals ---- */

static void raise_and_go(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)arg;
    (void)what;
    kill(getpid(), SIGUSR1);
    ly_watcher_free(w);
}

static int catch_signal(void *arg)
{
    struct ly_events *other;
    struct sigaction before, after;
    struct ly_watcher *w;
    (void)arg;
    sigaction(SIGUSR1, NULL, &before);
    CHECK(ly_watch_signal(&w, loop, SIGUSR1, remember, letter('s')) == 0);
    CHECK(ly_watch_signal(NULL, loop, SIGUSR1, note_and_stop, letter('s')) == 0);
    CHECK(ly_events_open(&other, ly_events_poller(loop)) == 0);
    CHECK(ly_watch_signal(NULL, other, SIGUSR1, note_only, NULL) == -EBUSY);
    ly_events_free(other);
    CHECK(ly_watch_timer(NULL, loop, 1, 0, raise_and_go, NULL) == 0);
    CHECK(ly_events_run(loop) == 0);
    CHECK(strcmp(calls, "ss") == 0 && told == SIGUSR1);
    sigaction(SIGUSR1, NULL, &after);
    CHECK(after.sa_handler == before.sa_handler); /* given back */
    return 0;
}

static void signals_call_back_and_are_given_back(void **state)
{
    (void)state;
    over_all(catch_signal);
}

/* ---- posting ---- */

#define POSTS 1000

static void *post_often(void *arg)
{
    struct ly_watcher *w = arg;
    for (int i = 0; i < POSTS; i++)
        ly_watcher_post(w);
    return NULL;
}

static void count_posts(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)what;
    (void)arg;
    told++;
    (void)w;
}

static void *post_then_stop(void *arg)
{
    post_often(arg);
    ly_events_stop(ly_watcher_loop(arg));
    return NULL;
}

static int post_from_threads(void *arg)
{
    struct ly_watcher *w, *never;
    pthread_t thread;
    (void)arg;
    told = 0;
    CHECK(ly_watch_post(&w, loop, count_posts, NULL) == 0);
    CHECK(ly_watch_post(&never, loop, note_only, letter('n')) == 0);
    CHECK(pthread_create(&thread, NULL, post_then_stop, w) == 0);
    CHECK(ly_events_run(loop) == 0);
    pthread_join(thread, NULL);
    ly_events_stop(loop);
    CHECK(ly_events_run(loop) == 0);
    ly_watcher_post(w);
    ly_watcher_post(never);
    ly_watcher_free(never); /* posted, and gone before it could be called */
    CHECK(ly_watch_idle(NULL, loop, stop_loop, letter('x')) == 0); /* the last of its turn */
    CHECK(ly_events_run(loop) == 0);
    CHECK(told >= 1 && told <= POSTS + 1);
    CHECK(counted('n') == 0);
    return 0;
}

static void other_threads_post(void **state)
{
    (void)state;
    over_all(post_from_threads);
}

static void post_self(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)what;
    note((char)(intptr_t)arg);
    if (counted('p') < 50)
        ly_watcher_post(w);
    else
        ly_events_stop(ly_watcher_loop(w));
}

/* All kinds that come for ever at once: each is called in every turn. */
static int nobody_starves(void *arg)
{
    struct ly_watcher *w;
    (void)arg;
    CHECK(ly_watch_fd(NULL, loop, end[0], LY_POLL_OUT, note_only, letter('f')) == 0);
    CHECK(ly_watch_fd(NULL, loop, end[1], LY_POLL_OUT, note_only, letter('g')) == 0);
    CHECK(ly_watch_idle(NULL, loop, note_only, letter('i')) == 0);
    CHECK(ly_watch_post(&w, loop, post_self, letter('p')) == 0);
    ly_watcher_post(w);
    CHECK(ly_events_run(loop) == 0);
    CHECK(counted('f') >= 49 && counted('g') >= 49 && counted('i') >= 49 && counted('p') == 50);
    return 0;
}

static void no_watcher_starves_another(void **state)
{
    (void)state;
    over_all(nobody_starves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_descriptor_has_several_watchers),
        cmocka_unit_test(what_is_left_unread_is_told_again),
        cmocka_unit_test(a_peers_end_is_told_once_though_nobody_reads),
        cmocka_unit_test(what_cannot_be_watched_is_refused),
        cmocka_unit_test(a_closed_descriptor_is_told_once),
        cmocka_unit_test(what_a_watcher_waits_for_can_be_changed),
        cmocka_unit_test(a_callback_ends_another_watcher_and_its_own),
        cmocka_unit_test(a_callback_frees_the_loop),
        cmocka_unit_test(a_loop_that_was_stopped_goes_on_where_it_was),
        cmocka_unit_test(a_loop_does_not_run_inside_itself),
        cmocka_unit_test(timers_fire_in_order_and_never_early),
        cmocka_unit_test(a_timer_that_has_fired_can_be_started_again),
        cmocka_unit_test(signals_call_back_and_are_given_back),
        cmocka_unit_test(other_threads_post),
        cmocka_unit_test(no_watcher_starves_another),
    };
    return cmocka_run_group_tests_name("reactor/event", tests, NULL, NULL);
}
