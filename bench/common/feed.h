/* SPDX-License-Identifier: MIT */
/* 100 MB of lines of 80 bytes for whoever reads them, and how fast that went. */
#ifndef BENCH_FEED_H
#define BENCH_FEED_H

#include <stddef.h>

#define FEED_LINE 80
#define FEED_LINES 1250000

/* A process on the load's processor that writes the lines to fd and ends; the caller's copy is closed. */
void feed(int fd);

double feed_clock(void);

/* Print "NAME MB/s" of what began then, if so many bytes in so many lines are all; else end with status 1. */
void feed_result(const char *name, double begin, size_t bytes, size_t lines);

#endif
