/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fiber/loop.h"
#include "server/server.h"

static int nothing(struct ly_request *rq)
{
    (void)rq;
    return 0;
}

static struct ly_server *open_server(int max_requests)
{
    struct ly_server *s = NULL;
    assert_int_equal(ly_server_open(&s, &(struct ly_server_options){.address = "tcp://127.0.0.1:0",
                                                                    .handler.handle = nothing,
                                                                    .policy = LY_THREADING,
                                                                    .max_requests = max_requests}),
                     0);
    return s;
}

/* ---- slots ---- */

static void there_are_as_many_slots_as_requests_allowed(void **state)
{
    (void)state;
    struct ly_server *s = open_server(2);
    assert_true(ly__slot_take(s));
    assert_true(ly__slot_take(s));
    assert_false(ly__slot_take(s));
    ly__slot_give(s);
    assert_true(ly__slot_take(s));
    ly__slot_give(s);
    ly__slot_give(s);
    ly_server_close(s);
}

static void giving_a_slot_back_tells_whoever_wants_room(void **state)
{
    (void)state;
    uint64_t n = 0;
    struct ly_server *s = open_server(1);
    assert_true(ly__slot_take(s));
    ly__slot_give(s);
    assert_int_equal(read(s->room_fd, &n, sizeof n), -1); /* nobody wanted it */
    atomic_store(&s->wants_room, 1);
    assert_true(ly__slot_take(s));
    ly__slot_give(s);
    assert_int_equal(read(s->room_fd, &n, sizeof n), sizeof n);
    ly_server_close(s);
}

#define TAKERS 4
#define ROUNDS 20000

static atomic_int holders, most;

static void *take_and_give(void *server)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (!ly__slot_take(server))
            continue;
        int now = atomic_fetch_add(&holders, 1) + 1, seen = atomic_load(&most);
        while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
            ;
        atomic_fetch_sub(&holders, 1);
        ly__slot_give(server);
    }
    return NULL;
}

static void slots_are_never_exceeded_by_many_threads(void **state)
{
    (void)state;
    pthread_t thread[TAKERS];
    struct ly_server *s = open_server(2);
    for (int i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, s), 0);
    for (int i = 0; i < TAKERS; i++)
        pthread_join(thread[i], NULL);
    assert_in_range(atomic_load(&most), 1, 2);
    assert_int_equal(atomic_load(&s->active), 0);
    ly_server_close(s);
}

/* ---- waiting for several ---- */

struct bells {
    int fd[3];
    int result;
};

/* Wait for three eventfds of which one may be readable, then release them again. */
static int wait_for_any(void *arg)
{
    struct bells *b = arg;
    struct ly__io io[3], *ios[] = {&io[0], &io[1], &io[2]};
    for (int i = 0; i < 3; i++)
        ly__io_init(&io[i], b->fd[i]);
    b->result = ly__wait_any(ios, 3, ly_deadline(10));
    for (int i = 0; i < 3; i++)
        ly__io_release(&io[i]);
    return 0;
}

static const char *const ways[] = {NULL, "epoll!", "poll!", "select!", "io_uring!"};

static void wait_everywhere(struct bells *b, int wanted)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        b->result = wanted;
        int r =
            ways[i] ? ly_run(wait_for_any, b, &(struct ly_run_options){.reactor = ways[i]}) : wait_for_any(b);
        assert_true(r == 0 || r == LY_ENOREACTOR);
        assert_int_equal(b->result, wanted);
    }
}

static void any_of_several_descriptors_ends_the_wait(void **state)
{
    (void)state;
    struct bells b;
    for (int i = 0; i < 3; i++)
        b.fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wait_everywhere(&b, -ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        uint64_t n = 1;
        assert_int_equal(write(b.fd[i], &n, sizeof n), sizeof n);
        wait_everywhere(&b, 0);
        assert_int_equal(read(b.fd[i], &n, sizeof n), sizeof n);
    }
    for (int i = 0; i < 3; i++)
        close(b.fd[i]);
}

static void a_cancelled_scope_ends_the_wait(void **state)
{
    (void)state;
    struct bells b = {.fd = {-1, -1, -1}};
    struct ly_scope *scope;
    for (int i = 0; i < 3; i++)
        b.fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_int_equal(ly_scope_open(&scope, NULL), 0);
    ly_scope_cancel(scope);
    wait_for_any(&b);
    ly_scope_close(scope);
    assert_int_equal(b.result, -ECANCELED);
    for (int i = 0; i < 3; i++)
        close(b.fd[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_as_many_slots_as_requests_allowed),
        cmocka_unit_test(giving_a_slot_back_tells_whoever_wants_room),
        cmocka_unit_test(slots_are_never_exceeded_by_many_threads),
        cmocka_unit_test(any_of_several_descriptors_ends_the_wait),
        cmocka_unit_test(a_cancelled_scope_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
