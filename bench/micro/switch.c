/* SPDX-License-Identifier: MIT */
/*
 * What one switch between two stacks costs: ours, Boost.Context's jump_fcontext, the C library's swapcontext.
 * Interleaved rounds in one process; prints a line "name nanoseconds" each, the median of the rounds. Build
 * with HAVE_BOOST_CONTEXT for the peer.
 */
#include "fiber/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>

#define ROUNDS 9
#define SWITCHES 4000000 /* a round, both directions counted; a hundredth of it for swapcontext */
#define STACK_SIZE 65536

static _Alignas(64) char stack[STACK_SIZE];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- ours ---- */

static struct ly__context here, there;

static void bounce(void *arg)
{
    (void)arg;
    ly__context_arrived(&there);
    for (;;)
        ly__context_switch(&there, &here);
}

static double ours(void)
{
    double begin;

    ly__context_of_thread(&here);
    ly__context_make(&there, stack, sizeof stack, stack + sizeof stack, bounce, NULL);
    begin = now();
    for (int i = 0; i < SWITCHES / 2; i++)
        ly__context_switch(&here, &there);
    begin = (now() - begin) / SWITCHES;
    ly__context_done(&there);
    return begin;
}

/* ---- Boost.Context ---- */

#ifdef HAVE_BOOST_CONTEXT
/* The assembly's own interface (boost/context/detail/fcontext.hpp), which needs no C++. */
typedef void *fcontext_t;
struct transfer {
    fcontext_t from;
    void *data;
};
struct transfer jump_fcontext(fcontext_t to, void *data);
fcontext_t make_fcontext(void *top, size_t size, void (*entry)(struct transfer));

static void bounce_boost(struct transfer t)
{
    for (;;)
        t = jump_fcontext(t.from, NULL);
}

static double boost(void)
{
    struct transfer t = {make_fcontext(stack + sizeof stack, sizeof stack, bounce_boost), NULL};
    double begin = now();

    for (int i = 0; i < SWITCHES / 2; i++)
        t = jump_fcontext(t.from, NULL);
    return (now() - begin) / SWITCHES;
}
#endif

/* ---- swapcontext ---- */

static ucontext_t here_u, there_u;

static void bounce_ucontext(void)
{
    for (;;)
        swapcontext(&there_u, &here_u);
}

static double ucontext(void)
{
    double begin;

    getcontext(&there_u);
    there_u.uc_stack.ss_sp = stack;
    there_u.uc_stack.ss_size = sizeof stack;
    there_u.uc_link = NULL;
    makecontext(&there_u, bounce_ucontext, 0);
    begin = now();
    for (int i = 0; i < SWITCHES / 200; i++)
        swapcontext(&here_u, &there_u);
    return (now() - begin) / (SWITCHES / 100);
}

static const struct subject {
    const char *name;
    double (*run)(void);
} subjects[] = {
    {"switch.lanyard", ours},
#ifdef HAVE_BOOST_CONTEXT
    {"switch.boost", boost},
#endif
    {"switch.swapcontext", ucontext},
};

#define SUBJECTS (sizeof subjects / sizeof subjects[0])

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(void)
{
    double results[SUBJECTS][ROUNDS];

    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < SUBJECTS; i++)
            results[i][round] = subjects[i].run();
    for (size_t i = 0; i < SUBJECTS; i++) {
        qsort(results[i], ROUNDS, sizeof(double), compare);
        printf("%s %.2f\n", subjects[i].name, results[i][ROUNDS / 2]);
    }
    return 0;
}
