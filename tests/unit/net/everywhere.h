/* SPDX-License-Identifier: MIT */
/*
 * Test bodies that run in a plain thread and in a loop on each reactor: what the library promises of a call
 * must hold wherever it is made. Each body and way is a test of its own.
 *
 * A body is a ly_task_fn, as are the tasks that it starts. It returns 0, and leaves by NEED where something
 * is not as it should be: cmocka's own assertions jump, which a fiber's stack does not survive.
 */
#ifndef TESTS_UNIT_NET_EVERYWHERE_H
#define TESTS_UNIT_NET_EVERYWHERE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <lanyard/fiber.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEED(condition)                                                                                     \
    do {                                                                                                    \
        if (!(condition)) {                                                                                 \
            fprintf(stderr, "%s:%d (%s): not so: %s\n", __FILE__, __LINE__, ly_reactor_name(), #condition); \
            return -EPROTO;                                                                                 \
        }                                                                                                   \
    } while (0)

#define NEED_INT(got, wanted)                                                              \
    do {                                                                                   \
        long long got_ = (long long)(got), wanted_ = (long long)(wanted);                  \
        if (got_ != wanted_) {                                                             \
            fprintf(stderr, "%s:%d (%s): %s is %lld, not %s (%lld)\n", __FILE__, __LINE__, \
                    ly_reactor_name(), #got, got_, #wanted, wanted_);                      \
            return -EPROTO;                                                                \
        }                                                                                  \
    } while (0)

#define NEED_OK(call) NEED_INT(call, 0)

/* What a body returns for which this kernel lacks something; main says what. */
#define EVERYWHERE_NOT_HERE 1

struct everywhere_body {
    const char *name;
    ly_task_fn *fn;
};

#define BODY(function)      \
    {                       \
#function, function \
    }

struct everywhere_case {
    ly_task_fn *fn;
    const char *way; /* a reactor, or "thread" */
};

static void everywhere_run(void **state)
{
    const struct everywhere_case *c = *state;
    int r;
    if (strcmp(c->way, "thread") == 0)
        r = c->fn(NULL);
    else {
        char name[32];
        snprintf(name, sizeof name, "%s!", c->way);
        r = ly_run(c->fn, NULL, &(struct ly_run_options){.reactor = name});
    }
    if (r == LY_ENOREACTOR || r == EVERYWHERE_NOT_HERE)
        skip();
    assert_int_equal(r, 0);
}

/* Run all bodies in all ways. Returns what main should. */
static int everywhere(const char *group, const struct everywhere_body *bodies, size_t count)
{
    static const char *const ways[] = {"thread", "epoll", "poll", "select", "io_uring"};
    enum { WAYS = sizeof ways / sizeof *ways };
    struct CMUnitTest *tests = calloc(count * WAYS, sizeof *tests);
    struct everywhere_case *cases = calloc(count * WAYS, sizeof *cases);
    if (!tests || !cases)
        abort();
    for (size_t i = 0; i < count * WAYS; i++) {
        char *name = NULL;
        cases[i] = (struct everywhere_case){bodies[i / WAYS].fn, ways[i % WAYS]};
        if (asprintf(&name, "%s under %s", bodies[i / WAYS].name, cases[i].way) < 0)
            abort();
        tests[i] = (struct CMUnitTest){.name = name, .test_func = everywhere_run, .initial_state = &cases[i]};
    }
    int failed = _cmocka_run_group_tests(group, tests, count * WAYS, NULL, NULL);
    for (size_t i = 0; i < count * WAYS; i++)
        free((char *)(uintptr_t)tests[i].name);
    free(tests);
    free(cases);
    return failed;
}

#define EVERYWHERE(group, bodies) everywhere(group, bodies, sizeof(bodies) / sizeof *(bodies))

#endif
