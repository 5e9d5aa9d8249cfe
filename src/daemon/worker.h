/* SPDX-License-Identifier: MIT */
/*
 * A worker: a process that speaks with the network and may do nothing else. It is started by its supervisor
 * (crew.h), as this program with an argument of its own, with the channel (channel.h) as its standard input.
 */
#ifndef LY_DAEMON_WORKER_H
#define LY_DAEMON_WORKER_H

#include <stdint.h>

#define LY__WORKER_ARGUMENT \
    "worker" /* the program's first argument in a worker; no command that users type */

#define LY__WORKER_FIRST_MS 2000 /* for those who had connected when the end began to ask for something */

struct ly__asker;
struct ly_sock;

/* What a test's program does with a connection before its first byte is read, in the place of strangers who
 * have taken the worker over. */
typedef void ly__worker_meet(struct ly__asker *asker, struct ly_sock *sock, uint64_t session);

/* Be a worker until the supervisor ends. meet: NULL in the program itself. Returns the exit status. */
int ly__worker(ly__worker_meet *meet);

#endif
