/* SPDX-License-Identifier: MIT */
/*
 * load-hold ADDRESS CONNECTIONS say|silent
 *
 * Opens the connections (from several loopback addresses, so that ports suffice) and keeps them. "say" sends
 * 64 bytes on each and waits for the echo, so that the server's handler waits for the second message. Prints
 * "ready"; ends when standard input ends.
 */
#include "../common/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PER_SOURCE = 4000, MESSAGE = 64 };

int main(int argc, char **argv)
{
    char message[MESSAGE] = {0};
    errno = 0;
    if (argc != 4)
        die("usage: load-hold ADDRESS CONNECTIONS say|silent");
    bool say = !strcmp(argv[3], "say");
    uint64_t count = number(argv[2]);
    for (uint64_t i = 0; i < count; i++) {
        int fd = connect_to(argv[1], 1 + (unsigned)(i / PER_SOURCE));
        if (!say)
            continue;
        put_all(fd, message, sizeof message);
        if (!get_all(fd, message, sizeof message))
            die("the server hung up");
    }
    puts("ready");
    fflush(stdout);
    while (read(STDIN_FILENO, message, sizeof message) > 0)
        ;
    return 0;
}
