/* SPDX-License-Identifier: MIT */
/*
 * The supervisor of the workers: it accepts what comes from the network, turns away whom the gate does not
 * admit, hands each connection to a worker, and starts a worker again that has ended. It reads none of their
 * bytes.
 */
#ifndef LY_DAEMON_CREW_H
#define LY_DAEMON_CREW_H

#include "auth/admission.h"
#include "daemon/authority.h"
#include "daemon/serve.h"
#include "daemon/setup.h"
#include "service/service.h"
#include <pthread.h>

struct ly__crew_worker;

struct ly__crew {
    struct ly__decider *decider;     /* borrowed */
    struct ly__admission *admission; /* borrowed */
    struct ly__setup setup;          /* what each worker is told */
    struct ly__crew_listener {
        struct ly_sock *sock;
        bool is_inherited; /* the service manager's, which goes on listening when we end */
    } listeners[LY__LISTEN_MAX];
    size_t nlisteners;
    struct ly__crew_worker *workers;
    int nworkers;
    struct ly_chan *orders; /* of struct order, from any thread */
    struct ly_scope *accepting;
    struct ly_scope *relays; /* of workers' logs; outlives them */
    struct ly__list held;    /* who has said nothing yet (crew_hold.c) */
    size_t nheld;            /* those, and who is just being handed over */
    bool stopping;
    pthread_t thread;
    bool started;
    int ended_fd; /* an eventfd, written to when the thread ends; borrowed */
    int result;
};

/* Returns 0 or -ENOMEM. */
int ly__crew_open(struct ly__crew *c, struct ly__decider *decider, struct ly__admission *admission,
                  int workers);

/* Add an address to accept from, before the start; taken. Returns 0, LY_ETOOBIG. */
int ly__crew_listen(struct ly__crew *c, struct ly_sock *listener, bool is_inherited);

/* Start on a thread of its own. Returns 0 or -EAGAIN. */
int ly__crew_start(struct ly__crew *c, int ended_fd);

/* From any thread: take nothing more and let what runs finish, or (at_once) end it; end one session. */
void ly__crew_stop(struct ly__crew *c, bool at_once);
void ly__crew_cut(struct ly__crew *c, uint64_t session);

/* As above: workers log from this level on. */
void ly__crew_log(struct ly__crew *c, enum ly_log_level level);

/* As above: workers announce this next key from now on. */
void ly__crew_announce(struct ly__crew *c, const char *next_key);

/* What others see of a worker. */
struct ly__crew_view {
    const void *owner; /* of its sessions, in the decider's books */
    bool serves;
    pid_t pid;       /* of the one that serves, or did last; 0: none was started */
    int64_t started; /* of ly_now() */
    unsigned starts; /* in its place so far */
    const struct ly__counters *counters;
};

/* The i-th worker. Returns false behind the last. From any thread. */
bool ly__crew_view(const struct ly__crew *c, int i, struct ly__crew_view *ret);

/* Wait for the thread and free. Returns what serving returned. */
int ly__crew_close(struct ly__crew *c);

#endif
