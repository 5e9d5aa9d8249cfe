/* SPDX-License-Identifier: MIT */
/* As much of cmocka as tests/unit/fiber/context.c needs, for a processor whose cmocka is not installed here.
 */
#ifndef PLAIN_CMOCKA_H
#define PLAIN_CMOCKA_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int plain_skipped;

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

static inline void plain_check(int good, const char *file, int line, const char *what)
{
    if (good)
        return;
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

#define plain_same(a, b, text) plain_check((uintmax_t)(a) == (uintmax_t)(b), __FILE__, __LINE__, text)
#define assert_true(c) plain_check(!!(c), __FILE__, __LINE__, #c)
#define assert_int_equal(a, b) plain_same(a, b, #a " is not " #b)
#define assert_non_null(p) plain_check((p) != NULL, __FILE__, __LINE__, #p " is NULL")
#define assert_ptr_equal(a, b) plain_same((uintptr_t)(a), (uintptr_t)(b), #a " is not " #b)
#define cmocka_unit_test(f) \
    {                       \
#f, f               \
    }
#define skip()             \
    do {                   \
        plain_skipped = 1; \
        return;            \
    } while (0)
#define cmocka_run_group_tests(tests, setup, teardown) plain_run(tests, sizeof(tests) / sizeof *(tests))

static inline int plain_run(const struct CMUnitTest *tests, size_t n)
{
    printf("1..%zu\n", n);
    for (size_t i = 0; i < n; i++) {
        plain_skipped = 0;
        tests[i].run(NULL);
        printf("ok %zu - %s%s\n", i + 1, tests[i].name, plain_skipped ? " # SKIP" : "");
    }
    return 0;
}

#endif
