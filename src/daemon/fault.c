/* SPDX-License-Identifier: MIT */
#include "daemon/fault.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define NAME "session "

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
#define SIGNALS (sizeof signals / sizeof *signals)

static struct sigaction before[SIGNALS];
static int channel = -1;
static atomic_flag told = ATOMIC_FLAG_INIT;

void ly__fault_name(uint64_t session)
{
    char name[32];
    snprintf(name, sizeof name, NAME "%llu", (unsigned long long)session);
    ly_set_name(name);
}

/* Nothing here but what a handler may do (signal-safety(7)): copying, and one send. */
static void tell(void)
{
    static const char head[] = "{\"do\":\"fault\",\"session\":";
    char text[64];
    const char *name = ly_name(), *digits = name + sizeof NAME - 1;
    size_t n = sizeof head - 1;
    if (strncmp(name, NAME, sizeof NAME - 1) != 0)
        return;
    memcpy(text, head, n);
    while (*digits >= '0' && *digits <= '9' && n < sizeof text - 1)
        text[n++] = *digits++;
    text[n++] = '}';
    (void)send(channel, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The fault comes again when this returns, and finds who was there before. One that was sent does not. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)context;
    if (!atomic_flag_test_and_set(&told))
        tell();
    for (size_t i = 0; i < SIGNALS; i++) {
        if (signals[i] == sig)
            sigaction(sig, &before[i], NULL);
    }
    if (info->si_code <= 0)
        raise(sig);
    errno = saved;
}

int ly__fault_watch(int channel_fd)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    channel = channel_fd;
    for (size_t i = 0; i < SIGNALS; i++) {
        if (sigaction(signals[i], &action, &before[i]) < 0)
            return -errno;
    }
    return 0;
}
