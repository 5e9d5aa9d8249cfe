/* SPDX-License-Identifier: MIT */
/* What the files of the monitor share. */
#ifndef LY_DAEMON_MONITOR_INTERNAL_H
#define LY_DAEMON_MONITOR_INTERNAL_H

#include "daemon/monitor.h"

struct ly__monitor_task;

/* A kind of message: when it may be said, and what is done then. run returns the answer's result; where there
 * is none, below 0 that it was not as it should be. */
struct ly__monitor_kind {
    const char *name;
    unsigned states; /* of the session; 0: it is about none */
    bool asks;       /* it is answered */
    int (*run)(struct ly__monitor_task *t);
};

/* One message, on its way to its answer. */
struct ly__monitor_task {
    struct ly__monitor *monitor;
    const struct ly__monitor_kind *kind;
    char *text; /* its own copy of the message */
    struct ly_json json;
    int64_t number;         /* of the question */
    uint64_t session;       /* 0: it is about none */
    struct ly__entry *asks; /* the session's entry, marked as being asked about; NULL: it is not */
    size_t places;          /* that it takes */
    struct ly_buffer answer;
    int fds[3]; /* that go with the answer; closed afterwards */
    size_t nfds;
};

/* The kind of that name; NULL: there is none. */
const struct ly__monitor_kind *ly__monitor_find(struct ly_json name);

#endif
