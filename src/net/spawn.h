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
 * Start the child and fill in pid and pidfd. arg is a struct ly__spawn. Returns 0 or -errno, and then no
 * child is left. Blocks until the child runs its program.
 */
int ly__spawn(void *arg);

#endif
