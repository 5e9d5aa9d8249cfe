/* SPDX-License-Identifier: MIT */
/* Runs one test body in a thread and in a loop on each reactor; what it asserts must hold in all of them. */
#ifndef TESTS_UNIT_EVERYWHERE_H
#define TESTS_UNIT_EVERYWHERE_H

#include <lanyard/fiber.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka's asserts jump out of the test by longjmp, which must not leave a fiber: bodies report by CHECK
 * instead. */
#define CHECK(condition)                                                                         \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            print_error("%s:%d on %s: %s\n", __FILE__, __LINE__, ly_reactor_name(), #condition); \
            return -1000;                                                                        \
        }                                                                                        \
    } while (0)

static const char *const all_reactors[] = {"epoll!", "poll!", "select!", "io_uring!"};

static inline void in_loops(ly_task_fn *body)
{
    for (size_t i = 0; i < sizeof all_reactors / sizeof all_reactors[0]; i++) {
        int r = ly_run(body, NULL, &(struct ly_run_options){.reactor = all_reactors[i]});
        if (r == LY_ENOREACTOR)
            print_message("# %s is not usable here\n", all_reactors[i]);
        else
            assert_int_equal(r, 0);
    }
}

static inline void everywhere(ly_task_fn *body)
{
    assert_int_equal(body(NULL), 0);
    in_loops(body);
}

#endif
