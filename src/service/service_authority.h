/* SPDX-License-Identifier: MIT */
/*
 * Who decides. A session asks here who its peer is and what they may do, has their commands started, and
 * tells what they did. A process that may all of this answers itself; a confined one asks its supervisor. So
 * the services never look at users, keys or the trail.
 */
#ifndef LY_SERVICE_AUTHORITY_H
#define LY_SERVICE_AUTHORITY_H

#include "net/tls_proof.h"
#include "service/service_child.h"
#include <lanyard/address.h>
#include <lanyard/buffer.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LY__GRANT_USER 128      /* bytes of a user's name with its zero byte */
#define LY__GRANT_DIRECTORY 256 /* bytes of a directory of their own, with its zero byte */
#define LY__KEY_HASH 32         /* bytes of a key's identity */
#define LY__BINDING 32          /* bytes that name a TLS channel (RFC 9266) */

/* How a peer arrived. */
struct ly__origin {
    const struct ly_address *peer;
    bool is_local; /* by a Unix socket: pid and uid are the peer's */
    pid_t pid;
    uid_t uid;
    bool is_bound; /* by TLS: binding is the channel's */
    uint8_t binding[LY__BINDING];
    const struct ly__tls_proof *proof; /* that it holds its key; NULL: it has shown none */
};

/* Who somebody is and what they may do. */
struct ly__grant {
    unsigned roles; /* auth/roles.h */
    char user[LY__GRANT_USER];
    char directory[LY__GRANT_DIRECTORY]; /* what they see as the served root, relative to it; "": all of it */
    int64_t bandwidth; /* bytes a second that all sessions of theirs move at most, both ways; 0: no limit */
    int64_t wait_ms;   /* LY_EDENIED only: for how long nothing is taken from that peer now; 0: it may come */
};

/* Something that was done, for the trail. */
struct ly__deed {
    const char *what;   /* the command's name */
    const char *object; /* the path, the program and its arguments; bytes of the peer's choice */
    int result;         /* 0 or the error that answered it */
    int exit;           /* a command's exit status, or 128 + the signal that ended it; -1: none */
    int64_t bytes;      /* of files or of a command that came and went for it; -1: it is not about such */
    int64_t began;      /* of ly_now() */
};

#define LY__LAUNCH_WHERE 256 /* bytes of the text that a failed start concerns, with its zero byte */

struct ly__authority;

/* Each call suspends, and may return -ECANCELED. `number` is the session's, which begin has given. */
struct ly__authority_calls {
    /* A session begins; *number may say which one, if it was told before. Returns 1 (the peer is logged in by
     * what it is: ret_grant says as whom), 0 (it has to log in), or an error (it is not served; LY_EPEER: the
     * proof does not hold). end is due unless it failed. */
    int (*begin)(struct ly__authority *a, const struct ly__origin *o, uint64_t *number,
                 struct ly__grant *ret_grant);
    /* The next message of a login; the answer to it is appended to ret_answer. Returns 1 (logged in), 0 (go
     * on), LY_EDENIED (ret_grant->wait_ms is set), LY_ESESSIONS, -EOPNOTSUPP (an unknown mechanism),
     * LY_EFIELD (no login is due). */
    int (*login)(struct ly__authority *a, uint64_t number, const char *mechanism, const char *data, size_t n,
                 struct ly_buffer *ret_answer, struct ly__grant *ret_grant);
    /* As ly__child_start, ret_where being cut; also LY_EROLE, -EAGAIN (as many as may run at once do). */
    int (*start)(struct ly__authority *a, uint64_t number, const struct ly__launch *l,
                 struct ly__child **ret_child, char ret_where[LY__LAUNCH_WHERE]);
    /* Before something is done: 0, or why it must not be (the trail cannot be written, and it was asked for).
     */
    int (*allow)(struct ly__authority *a, uint64_t number, const char *what);
    /* It has been done, or failed. */
    void (*note)(struct ly__authority *a, uint64_t number, const struct ly__deed *deed);
    void (*end)(struct ly__authority *a, uint64_t number, int result);
    /* A session whose user has a limit has moved so many bytes. Returns for how many milliseconds it has to
     * wait before it moves more, or an error. */
    int64_t (*spend)(struct ly__authority *a, uint64_t number, int64_t bytes);
};

struct ly__authority {
    const struct ly__authority_calls *calls;
};

#endif
