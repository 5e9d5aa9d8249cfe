/* SPDX-License-Identifier: MIT */
/* What tests/system/test_gdb.py looks at: fibers that wait in known functions, and one that runs into
 * stand_still. */
#include <lanyard/fiber.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline))

int innermost(int64_t ms);
int middle(int64_t ms);
void stand_still(void);

NOINLINE int innermost(int64_t ms)
{
    int r = ly_sleep(ms);
    __asm__ volatile("" : : : "memory"); /* keeps the call from being the last thing, and so the frame */
    return r;
}

NOINLINE int middle(int64_t ms)
{
    int r = innermost(ms);
    __asm__ volatile("" : : : "memory");
    return r;
}

NOINLINE void stand_still(void)
{
    __asm__ volatile("" : : : "memory");
}

static int upload(void *arg)
{
    (void)arg;
    ly_set_name("upload \033[31mred");
    return middle(1000000);
}

static int never_begun(void *arg)
{
    (void)arg;
    return 0;
}

static int first(void *arg)
{
    struct ly_scope *s;
    (void)arg;
    ly_set_name("the first");
    if (ly_scope_open(&s, NULL) < 0 || ly_go(s, upload, NULL) < 0 || ly_sleep(0) < 0 ||
        ly_go(s, never_begun, NULL) < 0)
        return 1;
    stand_still();
    abort();
}

int main(void)
{
    return ly_run(first, NULL, NULL);
}
