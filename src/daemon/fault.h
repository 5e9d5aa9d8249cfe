/* SPDX-License-Identifier: MIT */
/*
 * The last words of a worker that crashes: which session's work it was doing. The name of the task that runs
 * says so. Work on the offload pool is nobody's, and a call that the sandbox does not allow ends the process
 * without a word.
 */
#ifndef LY_DAEMON_FAULT_H
#define LY_DAEMON_FAULT_H

#include <stdint.h>

/* From now on a fatal fault tells the supervisor by the channel's descriptor, and goes on to who handled it
 * before. In the loop, whose thread has a stack for such handlers. Returns 0 or -errno. */
int ly__fault_watch(int channel_fd);

/* The calling task works for this session, and for what is left of it behind its end. */
void ly__fault_name(uint64_t session);

#endif
