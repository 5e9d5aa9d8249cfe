/* SPDX-License-Identifier: MIT */
/* The scheduler itself, the offload pool, the watchdog and the end of deadlocks. */
#include "fiber/loop.h"

#include "everywhere.h"

#include <errno.h>
#include <lanyard/channel.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char report[8192];
static atomic_bool reported; /* by the watchdog's thread, too */

static void keep_report(const char *text)
{
    strncpy(report, text, sizeof report - 1);
    atomic_store(&reported, true);
}

static const struct ly_run_hooks hooks = {.stall = keep_report, .deadlock = keep_report};

/* ---- order and fairness ---- */

static char order[16], a[] = "a", b[] = "b", c[] = "c", nothing[] = "";

static int letter(void *arg)
{
    for (int i = 0; i < 3; i++) {
        strncat(order, arg, 1);
        ly_sleep(0);
    }
    return 0;
}

static int takes_turns(void *arg)
{
    struct ly_scope *s;
    (void)arg;
    order[0] = 0;
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_go(s, letter, a) == 0);
    CHECK(ly_go(s, letter, b) == 0);
    CHECK(ly_go(s, letter, c) == 0);
    CHECK(ly_scope_join(s) == 0);
    ly_scope_close(s);
    CHECK(strcmp(order, "abcabcabc") == 0);
    return 0;
}

static int spin(void *arg)
{
    volatile bool *stop = arg;
    while (!*stop)
        ly_sleep(0);
    return 0;
}

static int timers_fire_beside_busy_fibers(void *arg)
{
    volatile bool stop = false;
    struct ly_scope *s;
    (void)arg;
    CHECK(ly_scope_open(&s, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(ly_go(s, spin, (void *)(uintptr_t)&stop) == 0);
    CHECK(ly_sleep(10) == 0);
    CHECK(ly_sleep(-2) == -EINVAL);
    stop = true;
    CHECK(ly_scope_join(s) == 0);
    ly_scope_close(s);
    return 0;
}

static int nap(void *arg)
{
    bool *woke = arg;
    *woke = ly_sleep(1) == 0;
    return 0;
}

static int giving_way(void *arg)
{
    const struct timespec long_enough = {.tv_nsec = 3000000};
    bool woke = false;
    struct ly_scope *s;
    (void)arg;
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_go(s, nap, &woke) == 0);
    CHECK(ly_sleep(0) == 0); /* it sleeps */
    nanosleep(&long_enough, NULL);
    CHECK(ly_sleep(0) == 0); /* its timer fires */
    CHECK(ly_sleep(0) == 0); /* it runs */
    CHECK(woke);
    CHECK(ly_scope_join(s) == 0);
    ly_scope_close(s);
    return 0;
}

static int many(void *arg)
{
    struct ly_scope *s;
    int n = 2000; /* below what ThreadSanitizer can hold */
    (void)arg;
    CHECK(ly_scope_open(&s, NULL) == 0);
    for (int i = 0; i < n; i++)
        CHECK(ly_go(s, letter, nothing) == 0);
    CHECK(ly__loop_here->fibers == (size_t)n + 1);
    CHECK(ly_scope_join(s) == 0);
    ly_scope_close(s);
    return 0;
}

/* ---- the offload pool ---- */

static int block(void *arg)
{
    struct timespec t = {.tv_nsec = 20000000};
    (void)arg;
    nanosleep(&t, NULL);
    return 7;
}

static atomic_int beats;

static int beat(void *arg)
{
    (void)arg;
    while (ly_sleep(1) == 0)
        atomic_fetch_add(&beats, 1);
    return 0;
}

/* As long as it takes: until the loop beside it has gone on. */
static int block_until_it_beats(void *arg)
{
    (void)arg;
    while (atomic_load(&beats) == 0)
        sched_yield();
    return 7;
}

static int offloads(void *arg)
{
    struct ly_scope *s;
    (void)arg;
    atomic_store(&beats, 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_go(s, beat, NULL) == 0);
    CHECK(ly_offload(block_until_it_beats, NULL) == 7);
    ly_scope_close(s);
    return 0;
}

static int offload_in_background(void *arg)
{
    (void)arg;
    return ly_offload(block, NULL);
}

static int offload_is_waited_for(void *arg)
{
    struct ly_scope *s;
    struct ly_future *f;
    (void)arg;
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_async(s, &f, offload_in_background, NULL) == 0);
    CHECK(ly_sleep(5) == 0);
    ly_scope_cancel(s);
    ly_scope_close(
        s); /* returns only when the work, once begun, has ended: its argument may be gone afterwards */
    CHECK(ly_offload(block, NULL) == 7);
    return 0;
}

/* ---- reports ---- */

static int hold_the_loop(void *arg)
{
    int64_t until = ly_deadline(30000);
    (void)arg;
    ly_set_name("greedy");
    while (!atomic_load(&reported) && ly_now() < until)
        sched_yield(); /* the watchdog's thread must come to run on a busy machine, too */
    return 0;
}

static void the_watchdog_names_who_holds_a_loop(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        atomic_store(&reported, false);
        struct ly_run_options options = {.reactor = all_reactors[i], .stall_ms = 30, .hooks = &hooks};
        if (ly_run(hold_the_loop, NULL, &options) == LY_ENOREACTOR)
            continue;
        assert_true(atomic_load(&reported));
        assert_non_null(strstr(report, "\"greedy\" has held its loop for"));
    }
}

static int wait_for_nobody(void *arg)
{
    struct ly_chan *chan;
    int item;
    (void)arg;
    ly_set_name("lonely");
    CHECK(ly_chan_new(&chan, sizeof item, 0, LY_LOCAL) == 0);
    CHECK(ly_chan_recv(chan, &item, LY_FOREVER) == -EDEADLK);
    ly_chan_free(chan);
    return 0;
}

static void a_wait_of_all_for_each_other_is_reported_and_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        atomic_store(&reported, false);
        struct ly_run_options options = {.reactor = all_reactors[i], .hooks = &hooks};
        int r = ly_run(wait_for_nobody, NULL, &options);
        if (r == LY_ENOREACTOR)
            continue;
        assert_int_equal(r, 0);
        assert_true(atomic_load(&reported));
        assert_non_null(strstr(report, "\"lonely\" waits for an item of a channel"));
    }
}

static int nested(void *arg)
{
    (void)arg;
    CHECK(ly_run(many, NULL, NULL) == -EBUSY);
    return 0;
}

static void unknown_reactors_fall_back_unless_insisted_on(void **state)
{
    (void)state;
    assert_int_equal(ly_run(nested, NULL, &(struct ly_run_options){.reactor = "kqueue,epoll"}), 0);
    assert_int_equal(ly_run(nested, NULL, &(struct ly_run_options){.reactor = "kqueue"}), 0);
    assert_int_equal(ly_run(nested, NULL, &(struct ly_run_options){.reactor = "kqueue!"}), LY_ENOREACTOR);
}

/* ---- signals ---- */

static volatile sig_atomic_t handled;

static void handle(int signal_number)
{
    (void)signal_number;
    handled++;
}

static int signal_itself(void *arg)
{
    (void)arg;
    return syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1) == 0 ? 0 : -errno;
}

static int signal_in_the_last_moment(void *arg)
{
    struct ly_scope *s;
    (void)arg;
    handled = 0;
    signal(SIGUSR1, handle);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_go(s, signal_itself, NULL) == 0);
    CHECK(ly_scope_join(s) == 0);
    ly_scope_close(s);
    CHECK(handled == 1);
    signal(SIGUSR1, SIG_DFL);
    return 0;
}

#define IN_LOOPS(name, body)       \
    static void name(void **state) \
    {                              \
        (void)state;               \
        in_loops(body);            \
    }

IN_LOOPS(fibers_take_turns_in_the_order_of_starting, takes_turns)
IN_LOOPS(timers_fire_though_fibers_are_always_ready, timers_fire_beside_busy_fibers)
IN_LOOPS(what_is_due_outside_comes_in_where_a_fiber_gives_way, giving_way)
IN_LOOPS(thousands_of_fibers_run, many)
IN_LOOPS(S91_offloaded_work_does_not_hold_the_loop, offloads)
IN_LOOPS(offloaded_work_that_has_begun_is_waited_for, offload_is_waited_for)
IN_LOOPS(a_thread_runs_one_loop_at_a_time, nested)
IN_LOOPS(a_signal_in_the_last_moment_of_a_fiber_is_handled, signal_in_the_last_moment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibers_take_turns_in_the_order_of_starting),
        cmocka_unit_test(timers_fire_though_fibers_are_always_ready),
        cmocka_unit_test(what_is_due_outside_comes_in_where_a_fiber_gives_way),
        cmocka_unit_test(thousands_of_fibers_run),
        cmocka_unit_test(S91_offloaded_work_does_not_hold_the_loop),
        cmocka_unit_test(offloaded_work_that_has_begun_is_waited_for),
        cmocka_unit_test(a_thread_runs_one_loop_at_a_time),
        cmocka_unit_test(a_signal_in_the_last_moment_of_a_fiber_is_handled),
        cmocka_unit_test(the_watchdog_names_who_holds_a_loop),
        cmocka_unit_test(a_wait_of_all_for_each_other_is_reported_and_ended),
        cmocka_unit_test(unknown_reactors_fall_back_unless_insisted_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
