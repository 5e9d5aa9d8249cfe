/* SPDX-License-Identifier: MIT */
/* A command that runs elsewhere, and the fibers that stand for it here. */
#ifndef LY_CLI_EXEC_REMOTE_H
#define LY_CLI_EXEC_REMOTE_H

#include "cli/client.h"
#include "cli/exec_json.h"
#include <lanyard/buffer.h>
#include <lanyard/channel.h>
#include <lanyard/process.h>
#include <signal.h>

struct ly__remote_options {
    const char *host;        /* NULL: the default machine */
    const char *const *argv; /* ended by NULL; NULL with shell */
    const char *shell;       /* a line for the shell */
    const char *cwd;         /* NULL: the server's default */
    const char *const *env;  /* "NAME=value"; ended by NULL */
    int64_t timeout_ms;      /* LY_FOREVER: none */
    bool input;              /* standard input is passed on */
    bool json;               /* events on standard output, in place of what the command writes */
};

struct ly__remote {
    const struct ly__remote_options *options;
    struct ly__client client;
    struct ly_mutex *sending;    /* held for a frame */
    struct ly_pipe *output[2];   /* standard output and error, once something came for them */
    sigset_t signals;            /* that are passed on; blocked */
    struct ly__exec_json events; /* with options->json */
    bool heard;                  /* the server has sent a frame */
    int interrupts;              /* signals to end that have come */
};

/* Run it, on the calling thread's loop. Returns the exit status, of which docs and man page speak. */
int ly__remote_run(const struct ly__remote_options *options);

/* The fibers beside the one that receives; arg is the struct ly__remote. */
int ly__remote_feed(void *arg);         /* standard input to the server */
int ly__remote_pass_signals(void *arg); /* signals to the server */

/* Write the head in b and n bytes of body as one frame. Returns 0 or an error of ly_sendall. Suspends. */
int ly__remote_send(struct ly__remote *r, const struct ly_buffer *head, const void *body, size_t n);

#endif
