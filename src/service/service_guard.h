/* SPDX-License-Identifier: MIT */
/*
 * The process groups that are killed when this process is gone, however it went. One that ends in order ends
 * what it started itself; this is for SIGKILL and for crashes.
 */
#ifndef LY_SERVICE_GUARD_H
#define LY_SERVICE_GUARD_H

#include <sys/types.h>

#define LY__GUARD_NONE (-1)

/* Begin, once, before there are other threads. Returns 0, -ENOMEM, -EAGAIN, -EMFILE, ... */
int ly__guard_open(void);

/* A descriptor that poll(2) tells POLLERR of when the guard itself is gone, which takes somebody who kills
 * it; -1: there is none. */
int ly__guard_fd(void);

/* Begin again with another one, of what is guarded already; from the thread that began. Returns 0, -EAGAIN,
 * -ENOMEM, -EMFILE, ...: then nothing guards. */
int ly__guard_renew(void);

/* End it, once nothing is guarded any more. */
void ly__guard_close(void);

/* Guard a group that this process leads to its end. Returns its place, or LY__GUARD_NONE: nothing guards
 * here, or too much. From any thread. */
int ly__guard_add(pid_t group);

/* No longer: its number may pass to others from now on. From any thread. */
void ly__guard_drop(int place);

#endif
