/* SPDX-License-Identifier: MIT */
/* Event loops: ending, stopping, going on, and nobody starves. */
#include "event_body.h"

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
        cmocka_unit_test(a_callback_ends_another_watcher_and_its_own),
        cmocka_unit_test(a_callback_frees_the_loop),
        cmocka_unit_test(a_loop_that_was_stopped_goes_on_where_it_was),
        cmocka_unit_test(a_loop_does_not_run_inside_itself),
        cmocka_unit_test(no_watcher_starves_another),
    };
    return cmocka_run_group_tests_name("reactor/event", tests, NULL, NULL);
}
