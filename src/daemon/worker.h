/* SPDX-License-Identifier: MIT */
/*
 * A worker: a process that speaks with the network and may do nothing else. It is started by its supervisor
 * (crew.h), as this program with an argument of its own, with the channel (channel.h) as its standard input.
 */
#ifndef LY_DAEMON_WORKER_H
#define LY_DAEMON_WORKER_H

#define LY__WORKER_ARGUMENT \
    "worker" /* the program's first argument in a worker; no command that users type */

/* Be a worker until the supervisor ends. Returns the exit status. */
int ly__worker(void);

#endif
