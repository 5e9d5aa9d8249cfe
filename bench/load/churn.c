/* SPDX-License-Identifier: MIT */
/* load-churn ADDRESS COUNT: COUNT short connections one after the other, each of one 64-byte message and its
 * echo. */
#include "../common/net.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { PER_SOURCE = 4000, SOURCES = 200, MESSAGE = 64 };

int main(int argc, char **argv)
{
    char message[MESSAGE] = {0};
    errno = 0;
    if (argc != 3)
        die("usage: load-churn ADDRESS COUNT");
    uint64_t count = number(argv[2]), start = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        int fd = connect_to(argv[1], 1 + (unsigned)(i / PER_SOURCE % SOURCES));
        put_all(fd, message, sizeof message);
        if (!get_all(fd, message, sizeof message))
            die("the server hung up");
        close(fd);
    }
    printf("connections=%llu seconds=%.6f\n", (unsigned long long)count, (double)(now_ns() - start) / 1e9);
    return 0;
}
