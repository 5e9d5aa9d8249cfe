/* SPDX-License-Identifier: MIT */
#ifndef LY_NET_SPAWN_H
#define LY_NET_SPAWN_H

#include <lanyard/process.h>

/* What becomes of one of the child's descriptors 0, 1 and 2. */
struct ly__child_fd {
    enum ly_redirect how;
    int fd; /* LY_PIPE: the child's end, above 2; borrowed */
};

struct ly__spawn {
    const struct ly_spawn_options *options;
    struct ly__child_fd std[3];
    pid_t pid; /* the child */
    int pidfd;
};

/*
 * Move a descriptor above the standard ones. In a process that has one of those closed, what is opened gets
 * its number, and a child that inherits standard input or output would get it too. Takes fd; negative:
 * returned as it is. Returns the descriptor, close-on-exec, or -errno, and then fd is closed.
 */
int ly__fd_move_up(int fd);

/*
 * Start the child and fill in pid and pidfd. arg is a struct ly__spawn. Returns 0 or -errno, and then no
 * child is left. Blocks until the child runs its program.
 */
int ly__spawn(void *arg);

#endif
