/* SPDX-License-Identifier: MIT */
#ifndef LY_NET_PIPE_H
#define LY_NET_PIPE_H

#include <lanyard/process.h>

/* Wrap the descriptor of a pipe that is non-blocking and nobody else's. Taken on success only. Returns 0 or
 * -ENOMEM. */
int ly__pipe_wrap(struct ly_pipe **ret_pipe, int fd);

#endif
