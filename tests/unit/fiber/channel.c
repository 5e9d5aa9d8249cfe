/* SPDX-License-Identifier: MIT */
#include "everywhere.h"

#include <errno.h>
#include <lanyard/channel.h>
#include <pthread.h>
#include <stdatomic.h>

#define ITEMS 1000

struct pair {
    struct ly_chan *there, *back;
};

static int doubler(void *arg)
{
    struct pair *p = arg;
    int item;
    while (ly_chan_recv(p->there, &item, LY_FOREVER) == 0) {
        item *= 2;
        int r = ly_chan_send(p->back, &item, LY_FOREVER);
        if (r < 0)
            return r;
    }
    ly_chan_end(p->back);
    return 0;
}

static int converse(size_t capacity)
{
    struct pair p;
    struct ly_scope *s;
    int item;
    CHECK(ly_chan_new(&p.there, sizeof item, capacity, LY_LOCAL) == 0);
    CHECK(ly_chan_new(&p.back, sizeof item, capacity, LY_LOCAL) == 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_go(s, doubler, &p) == 0);
    for (int i = 0; i < ITEMS; i++) {
        CHECK(ly_chan_send(p.there, &i, LY_FOREVER) == 0);
        CHECK(ly_chan_recv(p.back, &item, LY_FOREVER) == 0);
        CHECK(item == 2 * i);
    }
    ly_chan_end(p.there);
    CHECK(ly_chan_recv(p.back, &item, LY_FOREVER) == LY_ECLOSED);
    CHECK(ly_scope_join(s) == 0);
    ly_scope_close(s);
    ly_chan_free(p.there);
    ly_chan_free(p.back);
    return 0;
}

static int rendezvous(void *arg)
{
    (void)arg;
    return converse(0);
}

static int buffered(void *arg)
{
    (void)arg;
    return converse(16);
}

static int bounds(void *arg)
{
    struct ly_chan *c;
    int item = 1;
    (void)arg;
    CHECK(ly_chan_new(&c, 0, 1, LY_LOCAL) == -EINVAL);
    CHECK(ly_chan_new(&c, sizeof item, 2, LY_LOCAL) == 0);
    CHECK(ly_chan_recv(c, &item, 0) == -EAGAIN);
    CHECK(ly_chan_recv(c, &item, 10) == -ETIMEDOUT);
    CHECK(ly_chan_recv(c, &item, -2) == -EINVAL);
    CHECK(ly_chan_send(c, &item, 0) == 0);
    CHECK(ly_chan_send(c, &item, 0) == 0);
    CHECK(ly_chan_send(c, &item, 0) == -EAGAIN);
    CHECK(ly_chan_send(c, &item, 10) == -ETIMEDOUT);
    CHECK(ly_chan_send(c, &item, -2) == -EINVAL);
    ly_chan_end(c);
    ly_chan_end(c);
    CHECK(ly_chan_send(c, &item, 0) == LY_ECLOSED);
    CHECK(ly_chan_recv(c, &item, 0) == 0);
    CHECK(ly_chan_recv(c, &item, 0) == 0);
    CHECK(ly_chan_recv(c, &item, LY_FOREVER) == LY_ECLOSED);
    ly_chan_free(c);
    return 0;
}

/* A loop of its own on another thread. */
static void *far_doubler(void *arg)
{
    ly_run(doubler, arg, NULL);
    return NULL;
}

static int between_threads(void *arg)
{
    struct pair p;
    pthread_t thread;
    int item;
    (void)arg;
    CHECK(ly_chan_new(&p.there, sizeof item, 1, LY_SHARED) == 0);
    CHECK(ly_chan_new(&p.back, sizeof item, 0, LY_SHARED) == 0);
    CHECK(pthread_create(&thread, NULL, far_doubler, &p) == 0);
    for (int i = 0; i < ITEMS; i++) {
        CHECK(ly_chan_send(p.there, &i, LY_FOREVER) == 0);
        if (i % 7 == 0) /* time-outs that race with the answer */
            while (ly_chan_recv(p.back, &item, 1) == -ETIMEDOUT)
                ;
        else
            CHECK(ly_chan_recv(p.back, &item, LY_FOREVER) == 0);
        CHECK(item == 2 * i);
    }
    ly_chan_end(p.there);
    pthread_join(thread, NULL);
    ly_chan_free(p.there);
    ly_chan_free(p.back);
    return 0;
}

static int used_elsewhere(void *arg)
{
    return ly_chan_send(arg, &(int){1}, 0);
}

static int offload_touches(void *arg)
{
    struct ly_chan *c;
    (void)arg;
    CHECK(ly_chan_new(&c, sizeof(int), 1, LY_LOCAL) == 0);
    CHECK(ly_offload(used_elsewhere, c) == -EPERM);
    ly_chan_free(c);
    return 0;
}

struct shared_count {
    struct ly_mutex *mutex;
    int count, inside, overlaps;
    atomic_bool held;
};

static int increment(void *arg)
{
    struct shared_count *c = arg;
    for (int i = 0; i < 100; i++) {
        int r = ly_mutex_lock(c->mutex, LY_FOREVER);
        if (r < 0)
            return r;
        c->overlaps += c->inside++;
        ly_sleep(0);
        c->count++;
        c->inside--;
        ly_mutex_unlock(c->mutex);
    }
    return 0;
}

static int excludes(void *arg)
{
    struct shared_count c = {0};
    struct ly_scope *s;
    (void)arg;
    CHECK(ly_mutex_new(&c.mutex, LY_LOCAL) == 0);
    CHECK(ly_mutex_unlock(c.mutex) == -EPERM);
    CHECK(ly_mutex_lock(c.mutex, LY_FOREVER) == 0);
    CHECK(ly_mutex_lock(c.mutex, LY_FOREVER) == -EDEADLK);
    CHECK(ly_mutex_unlock(c.mutex) == 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(ly_go(s, increment, &c) == 0);
    CHECK(ly_scope_join(s) == 0);
    ly_scope_close(s);
    CHECK(c.count == 800 && c.overlaps == 0);
    ly_mutex_free(c.mutex);
    return 0;
}

static int hold(void *arg)
{
    struct shared_count *c = arg;
    int r = ly_mutex_lock(c->mutex, LY_FOREVER);
    atomic_store(&c->held, true);
    ly_sleep(1000000);
    ly_mutex_unlock(c->mutex);
    return r;
}

static int lock_times_out(void *arg)
{
    struct shared_count c = {0};
    struct ly_scope *s;
    (void)arg;
    CHECK(ly_mutex_new(&c.mutex, LY_LOCAL) == 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_go(s, hold, &c) == 0);
    while (!atomic_load(&c.held))
        CHECK(ly_sleep(1) == 0);
    CHECK(ly_mutex_lock(c.mutex, 0) == -EAGAIN);
    CHECK(ly_mutex_lock(c.mutex, 10) == -ETIMEDOUT);
    CHECK(ly_mutex_lock(c.mutex, -2) == -EINVAL);
    ly_scope_close(s);
    CHECK(ly_mutex_lock(c.mutex, 0) == 0);
    CHECK(ly_mutex_unlock(c.mutex) == 0);
    ly_mutex_free(c.mutex);
    return 0;
}

#define TEST(name, run, body)      \
    static void name(void **state) \
    {                              \
        (void)state;               \
        run(body);                 \
    }

TEST(a_channel_without_room_hands_over_from_task_to_task, everywhere, rendezvous)
TEST(a_channel_with_room_keeps_the_order, everywhere, buffered)
TEST(sends_and_receives_end_by_time_out_and_by_the_channels_end, everywhere, bounds)
TEST(a_shared_channel_joins_loops_and_threads, everywhere, between_threads)
TEST(a_loops_own_channel_refuses_other_threads, in_loops, offload_touches)
TEST(a_mutex_lets_one_in_at_a_time, everywhere, excludes)
TEST(waiting_for_a_mutex_times_out, everywhere, lock_times_out)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_without_room_hands_over_from_task_to_task),
        cmocka_unit_test(a_channel_with_room_keeps_the_order),
        cmocka_unit_test(sends_and_receives_end_by_time_out_and_by_the_channels_end),
        cmocka_unit_test(a_shared_channel_joins_loops_and_threads),
        cmocka_unit_test(a_loops_own_channel_refuses_other_threads),
        cmocka_unit_test(a_mutex_lets_one_in_at_a_time),
        cmocka_unit_test(waiting_for_a_mutex_times_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
