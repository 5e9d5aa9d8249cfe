/* SPDX-License-Identifier: MIT */
/* Requests about files and their answers, for the commands that make them. */
#ifndef LY_CLI_REQUEST_H
#define LY_CLI_REQUEST_H

#include "cli/client.h"

#include <lanyard/buffer.h>
#include <lanyard/frame.h>

/* The machine that the last argument named, so that the next one to name it needs no connection. */
struct ly__target {
    const char *command;      /* for messages */
    struct ly__client client; /* open if connected */
    bool connected;
    bool failed;              /* the connection has, or what came over it was no answer */
    char host[LY__HOST_TEXT]; /* as the argument had it */
    const char *path;         /* of the last argument; borrowed from it */
    int64_t id;               /* of the last request */
    struct ly_buffer head;    /* of the request in hand */
};

void ly__target_init(struct ly__target *t, const char *command);
void ly__target_done(struct ly__target *t);

/* Take HOST:PATH, or PATH on the default machine, and connect. Returns 0, or an error that was said. */
int ly__target_take(struct ly__target *t, const char *argument);

/* Begin a request with a new id; its fields are added to t->head. Returns 0 or an error of ly_frame_begin. */
int ly__target_begin(struct ly__target *t, const char *cmd);

/* Send it. r: the result of adding the fields, handed on. Returns 0 or an error. */
int ly__target_send(struct ly__target *t, int r);

/* Receive a frame of the last request's answer. r: the result of sending, handed on. Returns 0 and the frame,
 * valid until the next call; LY_EREMOTE (an error frame; *ret_frame is it), or another error. Says nothing.
 */
int ly__target_receive(struct ly__target *t, int r, struct ly_frame *ret_frame);

/* Say why a request failed, with what the frame tells if the error is LY_EREMOTE; not twice. */
void ly__target_say(const struct ly__target *t, int error, const struct ly_frame *f);

/* The whole of a request with one answer. r: of adding the fields. Returns 0, or an error that was said. */
int ly__target_ask(struct ly__target *t, int r, struct ly_frame *ret_frame);

/* Ask for the entry at a path there: "entry" in the frame's header. As ly__target_receive. */
int ly__target_stat(struct ly__target *t, const char *path, struct ly_frame *ret_frame);

/* The type of what is at a path there: 'f'ile, 'd'irectory, 'l'ink, 'o'ther, 'n'othing. Returns it, or an
 * error (not said). */
int ly__target_type(struct ly__target *t, const char *path);

/*
 * What a directory there holds, or the one entry if the path is something else: add is told each entry, as
 * docs/protocol.md, 5.1, has it, valid during the call. Returns 0, LY_EREMOTE or another error (not said), or
 * what add returned below 0: the answer is received to its end all the same.
 */
int ly__target_list(struct ly__target *t, const char *path, int (*add)(void *arg, struct ly_json entry),
                    void *arg, struct ly_frame *ret_frame);

/* The last component of a path, without slashes behind it; of ".", ".." and "" none. Returns its
 * length */
size_t ly__last_name(const char *path, const char **ret_name);

#endif
