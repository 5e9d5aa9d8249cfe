/* SPDX-License-Identifier: MIT */
/*
 * Accounts of the operating system. The C library's own functions load the modules of nsswitch.conf into the
 * process, and a program that is linked statically does not survive some of them; so /etc/passwd is read
 * here, and for who is not in it getent(1) is asked, which every Debian has and which knows all of them.
 */
#ifndef LY_DAEMON_ACCOUNT_H
#define LY_DAEMON_ACCOUNT_H

#include <stddef.h>
#include <sys/types.h>

#define LY__ACCOUNT_LINE 4096 /* bytes of an account's line */

struct ly__account {
    uid_t uid;
    gid_t gid;
    /* in line */
    const char *name, *home, *shell;
    char line[LY__ACCOUNT_LINE];
};

/* Find an account. Returns 0, -ENOENT (there is none), LY_ENAME (that cannot be a name), or an error of
 * asking. Waits for the disk or a directory's server: in a fiber, on the offload pool. */
int ly__account_by_name(struct ly__account *ret, const char *name);
int ly__account_by_id(struct ly__account *ret, uid_t uid);

/* The groups of an account, its own among them: *count is the room, which becomes their number. As above;
 * LY_ETOOBIG. */
int ly__account_groups(const struct ly__account *a, gid_t *ret_groups, size_t *count);

/* Read a line of passwd(5) that is in a->line. Returns 0 or LY_EFIELD. */
int ly__account_parse(struct ly__account *a);

#endif
