/* SPDX-License-Identifier: MIT */
/* Watchers of descriptors and of times. */
#include "event_body.h"

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
    CHECK(ly_watch_fd(NULL, loop, INT32_MAX, LY_POLL_IN, remember, letter('x')) == -EBADF);
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
    struct ly_watcher *w, *b;
    (void)arg;
    told = 0;
    began = ly_now();
    CHECK(ly_watch_timer(&b, loop, 12, 0, note_time, letter('b')) == 0);
    CHECK(ly_watch_timer(NULL, loop, 0, 0, note_only, letter('a')) == 0);
    if (ly_now() - began >= 12 * INT64_C(1000000)) /* held up: b's time had come first */
        CHECK(ly_watcher_set_timer(b, 12, 0) == 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_descriptor_has_several_watchers),
        cmocka_unit_test(what_is_left_unread_is_told_again),
        cmocka_unit_test(a_peers_end_is_told_once_though_nobody_reads),
        cmocka_unit_test(what_cannot_be_watched_is_refused),
        cmocka_unit_test(a_closed_descriptor_is_told_once),
        cmocka_unit_test(what_a_watcher_waits_for_can_be_changed),
        cmocka_unit_test(timers_fire_in_order_and_never_early),
        cmocka_unit_test(a_timer_that_has_fired_can_be_started_again),
    };
    return cmocka_run_group_tests_name("reactor/event_watch", tests, NULL, NULL);
}
