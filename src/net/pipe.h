/* SPDX-License-Identifier: MIT */
#ifndef LY_NET_PIPE_H
#define LY_NET_PIPE_H

#include "reactor/io.h"
#include <lanyard/process.h>

/* Wrap the descriptor of a pipe that is non-blocking and nobody else's. Taken on success only. Returns 0 or
 * -ENOMEM. */
int ly__pipe_wrap(struct ly_pipe **ret_pipe, int fd);

/* The descriptor of a pipe of one's own, for the calls of reactor/io.h; borrowed. */
struct ly__io *ly__pipe_io(struct ly_pipe *p);

/* Close the parent's ends of a process's pipes: others hold copies of them. */
void ly__process_close_pipes(struct ly_process *p);

#endif
