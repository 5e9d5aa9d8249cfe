/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's side of one worker's channel (channel.h). It believes nothing: each message must be one
 * that a worker may send in the state that the session is in, by the decider's own books, and a session or a
 * command must be this worker's. One message that is not ends the worker.
 */
#ifndef LY_DAEMON_MONITOR_H
#define LY_DAEMON_MONITOR_H

#include "daemon/authority.h"
#include "daemon/channel.h"
#include "daemon/report.h"
#include <lanyard/log.h>

#define LY__MONITOR_ENDED 16 /* sessions that are remembered behind their end */

/* A session that has ended, and whose it was. */
struct ly__ended {
    uint64_t session; /* 0: none */
    struct ly_address peer;
};

struct ly__monitor {
    struct ly__decider *decider;
    struct ly__channel channel;
    struct ly_scope *scope;   /* of the tasks that answer and of those that wait for commands */
    struct ly_chan *places;   /* holds a byte for each question that is being answered */
    struct ly__list children; /* the commands that run for it */
    int64_t last;             /* number given to a command last */
    size_t sessions;          /* that it serves */
    struct ly__reported reported;
    struct ly__counters *counters; /* what it reports is added to these; borrowed; NULL: to none */
    size_t telling;                /* tasks that are telling it something */
    struct ly__ended ended[LY__MONITOR_ENDED]; /* those that ended last */
    size_t nended;                             /* so far */
    uint64_t faulty;   /* the session whose work crashed it, by its own last words; 0: it said none */
    char offence[128]; /* what it did that it may not; "" */
};

/* fd: the channel's end; taken on success. Returns 0 or -ENOMEM. */
int ly__monitor_open(struct ly__monitor *m, struct ly__decider *decider, int fd);

/*
 * Answer until the worker ends. Its commands have been ended then; its sessions are still in the decider's
 * books. Returns 0; LY_EREFUSED (m->offence says what it did); or an error of the channel. Suspends.
 */
int ly__monitor_run(struct ly__monitor *m);
void ly__monitor_close(struct ly__monitor *m);

/* Tell it: here is a connection; end a session; take nothing more, or end at once; log from this level on.
 * Return 0 or an error of ly__monitor_send. Suspend. */
int ly__monitor_serve(struct ly__monitor *m, uint64_t session, int fd);
int ly__monitor_cut(struct ly__monitor *m, uint64_t session);
int ly__monitor_stop(struct ly__monitor *m, bool at_once);
int ly__monitor_log(struct ly__monitor *m, enum ly_log_level level);
int ly__monitor_announce(struct ly__monitor *m, const char *next_key);

/* Send it a message, as ly__channel_send, whose owner ly__monitor_run waits for. One that does not read is
 * ended. */
int ly__monitor_send(struct ly__monitor *m, struct ly_buffer *b, const int *fds, size_t nfds);

/* End it for what it does: "%s: %s" of who and why is its offence. Returns LY_EREFUSED. */
int ly__monitor_refuse(struct ly__monitor *m, const char *who, const char *why);

/* One of those that ended last; NULL: it is not. */
const struct ly__ended *ly__monitor_ended(const struct ly__monitor *m, uint64_t session);

/* The table of what may be said: the i-th row's message, the states of a session in which it may be (0: it
 * names no session), and whether it is answered. Returns NULL behind the last. For the tests. */
const char *ly__monitor_rule(size_t i, unsigned *ret_states, bool *ret_asks);

#endif
