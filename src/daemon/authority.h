/* SPDX-License-Identifier: MIT */
/*
 * The authority that decides itself: it knows the users, keeps the books of the sessions, starts the commands
 * and writes the trail. Sessions of this process ask it directly; those of confined processes through their
 * channel, in the same words.
 */
#ifndef LY_DAEMON_AUTHORITY_H
#define LY_DAEMON_AUTHORITY_H

#include "auth/proof.h"
#include "daemon/commands.h"
#include "daemon/pace.h"
#include "daemon/sessions.h"

struct ly__decider {
    struct ly__authority authority; /* what sessions are given */
    struct ly__sessions sessions;
    struct ly__pace pace;   /* of users with a limit */
    int root_fd;            /* the served directory; -1: none */
    const char *root;       /* its name, for what users have below it; borrowed */
    const char *home;       /* where commands start without a root; borrowed */
    const char *const *env; /* what a command's environment starts from; borrowed */
    uint64_t files_limit;   /* a command's soft limit of open descriptors; 0: this process's own */
    struct ly__commands commands;
    /* borrowed; NULL where nobody comes from the network */
    struct ly__store *store;
    struct ly__failures *failures;
    struct ly__admission *admission;
    struct ly__penalties *penalties;
    struct ly__audit *audit;       /* borrowed; NULL: no trail is kept */
    bool asks_first;               /* the trail's policy is to refuse what cannot be recorded */
    struct ly__proof_server shown; /* whom clients from the network prove their keys to */
};

/* commands.most is to be set. */
void ly__decider_open(struct ly__decider *d);
void ly__decider_close(struct ly__decider *d);

/* End a session's entry: its ticket goes back, and it is freed. */
void ly__decider_drop(struct ly__decider *d, struct ly__entry *e);

/* A connection that owner, a confined process's side here, is going to serve, and its ticket of the gate,
 * which is the session's from now on. Returns the session's number, or 0: no memory, or nothing random. */
uint64_t ly__decider_connect(struct ly__decider *d, const struct ly_address *peer, const void *owner,
                             const struct ly__ticket *ticket);

/* owner could not be told of it. Returns true: the session is gone, and its ticket the caller's again; false:
 * owner has begun or ended it all the same, and the ticket was the session's. */
bool ly__decider_forget(struct ly__decider *d, uint64_t number, const void *owner,
                        struct ly__ticket *ret_ticket);

/* A session of owner's, valid until the caller suspends or, with is_asking set, until that is reset; NULL: it
 * has none of that number. */
struct ly__entry *ly__decider_session(struct ly__decider *d, uint64_t number, const void *owner);

/* owner's process has crashed: charge the session that did it (0: nobody knows which), or else those who may
 * have. Before ly__decider_disown. */
void ly__decider_blame(struct ly__decider *d, const void *owner, uint64_t session);

/* The same, of a session that had ended: its peer is charged. */
void ly__decider_blame_ended(struct ly__decider *d, uint64_t session, const struct ly_address *peer);

/* End all sessions of owner. */
void ly__decider_disown(struct ly__decider *d, const void *owner);

/* Call cut for each session that has not logged in by its deadline, and mark it as told to end. It may wait.
 */
void ly__decider_overdue(struct ly__decider *d, int64_t now,
                         void (*cut)(void *arg, uint64_t number, const void *owner), void *arg);

/* Write a record of a session in the trail: what has happened to it (object may be NULL). e stays the
 * caller's and must be there meanwhile: a copy will do. Suspends. */
void ly__decider_tell(struct ly__decider *d, const struct ly__entry *e, const char *what, const char *object,
                      int result);

/* Mark a session as told to end: nothing is granted to it any more. Returns its owner; NULL: there is none,
 * or it is this process's own. */
const void *ly__decider_end(struct ly__decider *d, uint64_t number, int64_t now);

/* An owner that goes on with a session long after it was told to end it; NULL: none does. */
const void *ly__decider_disobeyed(struct ly__decider *d, int64_t now);

#endif
