/* SPDX-License-Identifier: MIT */
/* What comes from elsewhere: signals, and posts of other threads. */
#include "event_body.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_call_back_and_are_given_back),
        cmocka_unit_test(other_threads_post),
    };
    return cmocka_run_group_tests_name("reactor/event_signal", tests, NULL, NULL);
}
