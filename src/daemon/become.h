/* SPDX-License-Identifier: MIT */
/*
 * Commands of users from the network: they run as the account of the operating system that the user is mapped
 * to, with its groups, its home and a clean environment. A server that runs as root starts them through
 * itself: the new process, which has nothing of the user's in its environment yet, becomes that account and
 * then the command.
 */
#ifndef LY_DAEMON_BECOME_H
#define LY_DAEMON_BECOME_H

#include "service/service_child.h"

#define LY__BECOME_ARGUMENT \
    "become" /* the program's first argument in such a process; no command that users type */

struct ly__become {
    const char *account;    /* "": none, the server's own is meant, which must not be root */
    int root_fd;            /* as of ly__child_start, without an account */
    const char *home;       /* likewise */
    const char *const *env; /* what the environment starts from; "NAME=value", ended by NULL */
    uint64_t files_limit;
};

/*
 * As ly__child_start; l->env joins the account's. With an account of its own a command starts in the
 * account's home, to which a relative cwd is relative, and a program that is not there is said by the new
 * process: it exits with 127. Also -EPERM (the server is not root, and is not that account); LY_EROLE (it is
 * root, and the user has no account: nothing runs as root because nobody said otherwise); -ENOENT (there is
 * no such account). Suspends.
 */
int ly__become_start(struct ly__child **ret_child, const char **ret_where, const struct ly__launch *l,
                     const struct ly__become *b);

/* Be the new process. Returns its exit status if it could not become what it was to be. */
int ly__become(int argc, char **argv);

#endif
