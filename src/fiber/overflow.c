/* SPDX-License-Identifier: MIT */
/*
 * The report of a stack overflow. Running into a guard raises SIGSEGV on a stack with no room left, so the
 * handler runs on an alternate signal stack, one a thread. It asks the register of slabs whether the address
 * lies in a guard, lets the scheduler name the fiber, writes one line to standard error, and returns with the
 * default action in place: the instruction faults again, and the core file shows the place of the overflow
 * rather than this handler.
 *
 * Every other fault goes to the handler that was installed before.
 */
#include "fiber/slab.h"
#include "fiber/stack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALTERNATE_SIZE ((size_t)64 << 10)

typedef size_t describe_fn(void *low, char *buf, size_t cap);

static _Atomic(describe_fn *) describe_user;
static struct sigaction before[2]; /* what was there: SIGSEGV, SIGBUS */
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;
static bool installed;
static __thread void *alternate; /* the calling thread's alternate stack, if it is ours */

/* Append without stdio, which is not async-signal-safe. */
static size_t add(char *buf, size_t at, size_t cap, const char *text)
{
    while (*text && at < cap)
        buf[at++] = *text++;
    return at;
}

static size_t add_number(char *buf, size_t at, size_t cap, uintptr_t n, unsigned radix)
{
    char digits[24], *d = digits + sizeof digits - 1;

    *d = 0;
    do {
        *--d = "0123456789abcdef"[n % radix];
        n /= radix;
    } while (n);
    return add(buf, at, cap, d);
}

static void report(uintptr_t address, void *low, size_t size)
{
    describe_fn *describe = atomic_load(&describe_user);
    char line[512];
    size_t cap = sizeof line - 1, room, n = add(line, 0, cap, "lanyard: stack overflow in ");

    room = cap - n - 128; /* what follows fits into the rest */
    size_t name = describe ? describe(low, line + n, room) : 0;
    n = name ? n + (name < room ? name : room) : add(line, n, cap, "an unknown fiber");
    n = add(line, n, cap, ": its stack has ");
    n = add_number(line, n, cap, size / 1024, 10);
    n = add(line, n, cap, " KiB, the access was at 0x");
    n = add_number(line, n, cap, address, 16);
    n = add(line, n, cap, ", ");
    n = add_number(line, n, cap, (uintptr_t)low - address, 10);
    n = add(line, n, cap, " bytes below it");
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return; /* nobody listens; the signal ends the process all the same */
}

/* The default action, for the fault that comes again when the handler returns, or at once for a signal that
 * was sent. */
static void set_default(int sig, const siginfo_t *info)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};

    sigaction(sig, &standard, NULL);
    if (info->si_code <= 0)
        raise(sig);
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *b = &before[sig == SIGBUS];

    if (b->sa_flags & SA_SIGINFO)
        b->sa_sigaction(sig, info, context);
    else if (b->sa_handler == SIG_DFL || (b->sa_handler == SIG_IGN && info->si_code > 0))
        set_default(sig, info); /* ignoring a real fault would only bring it again, for ever */
    else if (b->sa_handler != SIG_IGN)
        b->sa_handler(sig);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    void *low;
    size_t size;

    if (info->si_code > 0 && ly__slab_find_guard((uintptr_t)info->si_addr, &low, &size)) {
        report((uintptr_t)info->si_addr, low, size);
        set_default(sig, info);
    } else {
        pass_on(sig, info, context);
    }
    errno = saved;
}

/* A process has one handler for all its threads. */
static int install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int r = 0;

    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&installing);
    if (!installed) {
        if (sigaction(SIGSEGV, &action, &before[0]) < 0 || sigaction(SIGBUS, &action, &before[1]) < 0)
            r = -errno;
        installed = r == 0;
    }
    pthread_mutex_unlock(&installing);
    return r;
}

int ly__overflow_watch(size_t (*describe)(void *low, char *buf, size_t cap))
{
    stack_t stack = {.ss_size = ALTERNATE_SIZE}, old;

    atomic_store(&describe_user, describe);
    if (sigaltstack(NULL, &old) < 0)
        return -errno;
    if (!(old.ss_flags & SS_DISABLE))
        return install(); /* the thread has one: ours from before, its owner's or a sanitizer's */
    stack.ss_sp = mmap(NULL, ALTERNATE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack.ss_sp == MAP_FAILED)
        return -ENOMEM;
    if (sigaltstack(&stack, NULL) < 0) {
        int r = -errno;
        munmap(stack.ss_sp, ALTERNATE_SIZE);
        return r;
    }
    alternate = stack.ss_sp;
    return install();
}

void ly__overflow_unwatch(void)
{
    stack_t off = {.ss_flags = SS_DISABLE}, old;

    if (!alternate)
        return;
    if (sigaltstack(NULL, &old) == 0 && old.ss_sp == alternate)
        sigaltstack(&off, NULL);
    munmap(alternate, ALTERNATE_SIZE);
    alternate = NULL;
}
