/* SPDX-License-Identifier: MIT */
/* Which addresses may be served, and serving one of them. */
#ifndef LY_DAEMON_LISTEN_H
#define LY_DAEMON_LISTEN_H

#include "daemon/serve.h"
#include "service/service.h"
#include <pthread.h>
#include <sys/types.h>

#define LY__DRAIN_MS 10000 /* for running requests when the server is asked to end */

/* One address and the server on it, which runs on a thread of its own. */
struct ly__listener {
    struct ly_server *server;
    pthread_t thread;
    bool started;               /* thread is valid */
    int ended_fd;               /* an eventfd, written to when the thread ends; borrowed */
    int result;                 /* what serving returned */
    char text[LY_ADDRESS_TEXT]; /* the bound address */
    char path[sizeof((struct sockaddr_un *)0)->sun_path + 1]; /* a Unix socket's file; "" for others */
    dev_t device; /* of that file, so that only our own is removed */
    ino_t inode;
};

/* Bind and listen. What is refused or fails is said on standard error. Returns 0 or the error. */
int ly__listener_open(struct ly__listener *l, const char *address, const struct ly__serve_options *o,
                      struct ly__service *service);

/* Why an address cannot be listened on, in a sentence that says what to do: what stands behind the colon of
 * "cannot listen on ADDRESS: ". */
const char *ly__listen_why(const char *address, int error);

/* Start serving. Returns 0 or -EAGAIN. */
int ly__listener_start(struct ly__listener *l, int ended_fd);

/* Wait for the thread, close, and remove the socket's file. Returns what serving returned. */
int ly__listener_close(struct ly__listener *l);

#endif
