/* SPDX-License-Identifier: MIT */
/* What the files of the crew share. */
#ifndef LY_DAEMON_CREW_INTERNAL_H
#define LY_DAEMON_CREW_INTERNAL_H

#include "daemon/crew.h"
#include "daemon/monitor.h"

#define LY__CREW_TURN_MS 20 /* how often it is looked whether what is waited for has come about */

struct ly__crew_worker {
    struct ly__crew *crew;
    struct ly__monitor monitor;
    /* these are read from other threads too */
    atomic_bool serves; /* the monitor is open and the worker has its settings */
    _Atomic pid_t pid;
    _Atomic int64_t started;
    atomic_uint starts; /* how often one was started in this place */
    struct ly__counters counters;
    int64_t backoff_ms;
    int guarded; /* its place, while it lives */
};

struct ly__acceptor {
    struct ly__crew *crew;
    struct ly_sock *listener;
    bool is_lent; /* the service manager's: nobody is turned away from it for the server's end */
};

/* A task for each worker: start it, and again whenever it has ended. arg is a struct ly__crew_worker. */
int ly__crew_keep_alive(void *arg);

/* A task for each listener: take connections and hand them to workers. arg is a struct ly__acceptor. */
int ly__crew_accept(void *arg);

/* Hand a connection to a worker, and its ticket with it; also when accepting has been cancelled meanwhile:
 * who was accepted is not turned away. The socket stays the caller's to free. Returns 0, -ENOMEM, -ECANCELED
 * (there is no worker any more) or a connection's error. */
int ly__crew_hand_over(struct ly__crew *c, struct ly_sock *sock, const struct ly_address *peer,
                       struct ly__ticket *ticket);

/* Keep a connection until its first byte comes, then hand it over. Takes the socket and the ticket. Returns 0
 * or -ENOMEM: both are the caller's still. */
int ly__crew_hold(struct ly__crew *c, struct ly_sock *sock, const struct ly_address *peer,
                  struct ly__ticket *ticket);

/* Close those that have said nothing by their deadline; close all. */
void ly__crew_end_silent(struct ly__crew *c, int64_t now);
void ly__crew_end_held(struct ly__crew *c);

#endif
