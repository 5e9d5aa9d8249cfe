/* SPDX-License-Identifier: MIT */
#ifndef LY_SERVER_REPORT_H
#define LY_SERVER_REPORT_H

#include <lanyard/server.h>

/*
 * Calls a request's step. A chain of calls is cut at it: what is behind it is the server's business. Its
 * caller is recognized by the address that the step returns to, between the function's begin and
 * ly__step_end. (A section of its own would tell as much, but be one more part of the program that each
 * forked child has to map.)
 */
int ly__step(int (*fn)(struct ly_request *), struct ly_request *rq);
extern const char ly__step_end[];

/* The default for handle_error. */
void ly__report(const struct ly_request *rq, const char *where, int error);

#endif
