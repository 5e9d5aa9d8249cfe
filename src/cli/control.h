/* SPDX-License-Identifier: MIT */
/* Requests of those who look after a server: `status` and `sessions`. */
#ifndef LY_CLI_CONTROL_H
#define LY_CLI_CONTROL_H

#include <lanyard/buffer.h>
#include <stdint.h>

struct ly__control_request {
    const char *cmd;
    const char *user; /* NULL: not said */
    int64_t session;  /* 0: not said */
};

/*
 * Connect to host (NULL: one's own server), ask, and receive the answer's body whole.
 *
 * command    for messages
 * ret_ended  what "ended" says; NULL: it is not read
 * ret_body   initialised here; the caller's if the result is 0
 *
 * Returns 0, or an error that was said on standard error.
 */
int ly__control_ask(const char *host, const char *command, const struct ly__control_request *q,
                    int64_t *ret_ended, struct ly_buffer *ret_body);

#endif
