/* SPDX-License-Identifier: MIT */
/*
 * load-spawn COUNT COMMAND...
 *
 * Starts the command COUNT times, one after the other, with posix_spawn, standard input and output on
 * /dev/null, and waits for each. Prints a line of nanoseconds, one number a run: from before posix_spawn to
 * after waitpid. Exits 1 when a run fails. With the command `true` this is also the limit for running
 * commands.
 */
#include "../common/net.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

extern char **environ;

static uint64_t run_once(char **argv, const posix_spawn_file_actions_t *actions)
{
    pid_t pid;
    int status;
    uint64_t start = now_ns();
    errno = posix_spawnp(&pid, argv[0], actions, NULL, argv, environ);
    if (errno || waitpid(pid, &status, 0) < 0)
        die(argv[0]);
    uint64_t took = now_ns() - start;
    if (status) {
        fprintf(stderr, "load-spawn: %s ended with status %#x\n", argv[0], (unsigned)status);
        return 0;
    }
    return took;
}

int main(int argc, char **argv)
{
    posix_spawn_file_actions_t actions;
    errno = 0;
    if (argc < 3)
        die("usage: load-spawn COUNT COMMAND...");
    if (posix_spawn_file_actions_init(&actions) ||
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) ||
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0))
        die("posix_spawn_file_actions");
    for (uint64_t left = number(argv[1]); left; left--) {
        uint64_t took = run_once(argv + 2, &actions);
        if (!took)
            return 1;
        printf("%llu%s", (unsigned long long)took, left > 1 ? " " : "\n");
    }
    return 0;
}
