/* SPDX-License-Identifier: MIT */
/*
 * What a worker writes to standard error arrives in the server's log, as lines of the server's own: where the
 * log goes, how its lines look and what is escaped in them is not the worker's to decide, which may have been
 * taken over.
 */
#ifndef LY_DAEMON_RELAY_H
#define LY_DAEMON_RELAY_H

#include <lanyard/log.h>
#include <sys/types.h>

struct ly__relay;

/* How a worker's log is written: to standard error, as this expects it. */
void ly__relay_setup(enum ly_log_level level);

/* Make a pipe. *ret_fd is the end for the worker's standard error, to be closed once it has it. Returns 0,
 * -ENOMEM, -EMFILE, -ENFILE. */
int ly__relay_open(struct ly__relay **ret_relay, int *ret_fd);

/* Whose log it is. */
void ly__relay_name(struct ly__relay *r, pid_t pid);

/* A task: log what comes, as of this process, until its end, and free the relay, which is arg. What is not of
 * the log's form, such as a library's last words, becomes the text of a warning. A line beyond 8 KiB is cut;
 * beyond 1000 in a second they are counted only. */
int ly__relay_run(void *arg);

void ly__relay_free(struct ly__relay *r);

#endif
