/* SPDX-License-Identifier: MIT */
/* What a server tells and does for whoever looks after it, on its Unix sockets only. */
#ifndef LY_SERVICE_SERVICE_CONTROL_H
#define LY_SERVICE_SERVICE_CONTROL_H

#include <lanyard/buffer.h>
#include <stdint.h>

struct ly__control;

/* Each may wait; from any thread. Those that write append to the buffer; its max bounds them. */
struct ly__control_calls {
    /* The status: a JSON object. Returns 0, LY_ETOOBIG, -ENOMEM. */
    int (*status)(struct ly__control *c, struct ly_buffer *json);
    /* The sessions of a user (NULL: all), a JSON object and a newline for each. As above. */
    int (*sessions)(struct ly__control *c, const char *user, struct ly_buffer *lines);
    /* End a session, or all of a user's (number 0) but one's own. by: who wants it, for the trail. Returns
     * how many were there. */
    int (*kill)(struct ly__control *c, uint64_t number, const char *user, uint64_t own, const char *by);
    /* The metrics as Prometheus reads them. As status. */
    int (*metrics)(struct ly__control *c, struct ly_buffer *text);
    /* Whether all is well: NULL, or what is not. */
    const char *(*ail)(struct ly__control *c);
};

struct ly__control {
    const struct ly__control_calls *calls;
};

#endif
