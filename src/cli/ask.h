/* SPDX-License-Identifier: MIT */
/* A request without fields, and its answer. */
#ifndef LY_CLI_ASK_H
#define LY_CLI_ASK_H

#include "cli/client.h"
#include <lanyard/frame.h>

/*
 * Send {"cmd": cmd, "id": id} and receive the answer's head, valid until the next read. command: for
 * messages. Returns 0, or an error that was said on standard error: also when the answer is one (LY_EREMOTE).
 */
int ly__ask(struct ly__client *c, const char *command, const char *cmd, int64_t id,
            struct ly_frame *ret_frame);

/* What an error frame says, in the server's words as far as it has any: buf, or a static text. */
const char *ly__remote_text(struct ly_json header, char *buf, size_t cap);

/* Say on standard error what an error frame says, and of which path. */
void ly__say_remote(const char *command, struct ly_json header);

/* Say what an error frame says that ended a login, or came in place of one. */
void ly__say_not_let_in(const struct ly__client *c, struct ly_json header);

#endif
