/* SPDX-License-Identifier: MIT */
#include "feed.h"
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOAD_CPU = 1, TOGETHER = 800 };

static void write_lines(int fd)
{
    static char block[TOGETHER * FEED_LINE];
    memset(block, 'x', sizeof block);
    for (size_t i = FEED_LINE - 1; i < sizeof block; i += FEED_LINE)
        block[i] = '\n';
    for (size_t left = (size_t)FEED_LINES * FEED_LINE; left > 0;) {
        size_t done = 0, n = left < sizeof block ? left : sizeof block;
        while (done < n) {
            ssize_t r = write(fd, block + done, n - done);
            if (r < 0)
                _exit(1);
            done += (size_t)r;
        }
        left -= n;
    }
    _exit(0);
}

void feed(int fd)
{
    pid_t pid = fork();
    if (pid < 0)
        exit(1);
    if (pid == 0) {
        cpu_set_t cpu;
        CPU_ZERO(&cpu);
        CPU_SET(LOAD_CPU, &cpu);
        sched_setaffinity(0, sizeof cpu, &cpu); /* fails on a machine with one processor: just as well */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        write_lines(fd);
    }
    close(fd);
}

double feed_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void feed_result(const char *name, double begin, size_t bytes, size_t lines)
{
    double seconds = feed_clock() - begin;
    wait(NULL);
    if (bytes != (size_t)FEED_LINES * FEED_LINE || lines != FEED_LINES)
        exit(1);
    printf("%s %.1f\n", name, (double)bytes / 1e6 / seconds);
}
