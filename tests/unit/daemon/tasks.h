/* SPDX-License-Identifier: MIT */
/* Tests whose bodies run as tasks of a loop. */
#ifndef TESTS_UNIT_DAEMON_TASKS_H
#define TESTS_UNIT_DAEMON_TASKS_H

#include <lanyard/fiber.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka's asserts jump, which must not leave a fiber. */
#define CHECK(condition)                                                \
    do {                                                                \
        if (!(condition)) {                                             \
            print_error("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            return -1000;                                               \
        }                                                               \
    } while (0)

static inline int in_loop(ly_task_fn *body)
{
    return ly_run(body, NULL, &(struct ly_run_options){.reactor = "epoll"});
}

#endif
