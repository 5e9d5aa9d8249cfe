/* SPDX-License-Identifier: MIT */
/*
 * What a task costs from start to end: a fiber started, run and ended, one at a time (the starter waits for
 * each) and a hundred at a time; beside it the bare switch there and back on a stack made up anew by
 * Boost.Context, and a thread. Prints a line "name nanoseconds" each, the median of the rounds.
 */
#include <lanyard/fiber.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 9, FIBERS = 400000, THREADS = 2000, TOGETHER = 100, STACK_SIZE = 65536 };

static int ran;

static int count_one(void *argument)
{
    (void)argument;
    ran++;
    return 0;
}

static void must(int r)
{
    if (r == 0)
        return;
    fprintf(stderr, "micro-fiber: %s\n", ly_error_text(r));
    exit(1);
}

static void go_in_groups(struct ly_scope *scope, int size)
{
    for (int i = 0; i < FIBERS / size; i++) {
        for (int k = 0; k < size; k++)
            must(ly_go(scope, count_one, NULL));
        must(ly_scope_join(scope));
    }
}

static double timed_groups(int size)
{
    struct ly_scope *scope;
    must(ly_scope_open(&scope, NULL));
    int64_t start = ly_now();
    go_in_groups(scope, size);
    double each = (double)(ly_now() - start) / FIBERS;
    ly_scope_close(scope);
    return each;
}

static double one_by_one(void)
{
    return timed_groups(1);
}

static double together(void)
{
    return timed_groups(TOGETHER);
}

static void *count_thread(void *argument)
{
    count_one(argument);
    return NULL;
}

static double threads(void)
{
    int64_t start = ly_now();
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, count_thread, NULL) || pthread_join(thread, NULL))
            exit(1);
    }
    return (double)(ly_now() - start) / THREADS;
}

#ifdef HAVE_BOOST_CONTEXT
/* The assembly's own interface (boost/context/detail/fcontext.hpp), which needs no C++. */
typedef void *fcontext_t;
struct transfer {
    fcontext_t from;
    void *data;
};
struct transfer jump_fcontext(fcontext_t to, void *data);
fcontext_t make_fcontext(void *top, size_t size, void (*entry)(struct transfer));

static _Alignas(64) char stack[STACK_SIZE];

static void count_and_leave(struct transfer t)
{
    ran++;
    jump_fcontext(t.from, NULL);
}

static double boost(void)
{
    int64_t start = ly_now();
    for (int i = 0; i < FIBERS; i++)
        jump_fcontext(make_fcontext(stack + sizeof stack, sizeof stack, count_and_leave), NULL);
    return (double)(ly_now() - start) / FIBERS;
}
#endif

static const struct subject {
    const char *name;
    double (*run)(void);
} subjects[] = {
    {"fiber.one", one_by_one},
    {"fiber.together", together},
#ifdef HAVE_BOOST_CONTEXT
    {"fiber.boost", boost},
#endif
    {"fiber.thread", threads},
};

enum { SUBJECTS = sizeof subjects / sizeof subjects[0] };

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int measure(void *argument)
{
    static double results[SUBJECTS][ROUNDS];
    (void)argument;
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < SUBJECTS; i++)
            results[i][round] = subjects[i].run();
    for (size_t i = 0; i < SUBJECTS; i++) {
        qsort(results[i], ROUNDS, sizeof results[i][0], compare);
        printf("%s %.2f\n", subjects[i].name, results[i][ROUNDS / 2]);
    }
    return 0;
}

int main(void)
{
    must(ly_run(measure, NULL, NULL));
    return 0;
}
