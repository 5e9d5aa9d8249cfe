/* SPDX-License-Identifier: MIT */
/* What a worker reports of its work once a second: a message of its channel. */
#ifndef LY_DAEMON_REPORT_H
#define LY_DAEMON_REPORT_H

#include "daemon/channel.h"
#include "daemon/sessions.h"
#include "service/service.h"

/* A worker's side: what it has reported last. */
struct ly__reporter {
    struct ly__service *service; /* borrowed */
    struct ly__channel *channel; /* borrowed */
    uint64_t requests, received, sent;
    size_t busy;
};

/* What a session does, in a line. */
void ly__doing_text(char out[LY__DOING], const struct ly__deed *deed);

/* Report if there is anything new. Returns 0 or an error of ly__channel_send. Suspends. */
int ly__report_send(struct ly__reporter *r);

/* The supervisor's: what a worker has reported so far, since it began. */
struct ly__reported {
    uint64_t requests, received, sent;
};

/*
 * Take a report. What it counts more than before is added to counters, whatever it counted before; what its
 * sessions do is noted in the books. All of it is only shown to people. Returns 0 or LY_EFIELD.
 */
int ly__report_take(struct ly_json message, struct ly__reported *before, struct ly__counters *counters,
                    struct ly__sessions *sessions, const void *owner);

#endif
