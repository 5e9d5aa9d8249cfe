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

#endif
