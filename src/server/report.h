/* SPDX-License-Identifier: MIT */
#ifndef LY_SERVER_REPORT_H
#define LY_SERVER_REPORT_H

#include <lanyard/server.h>

/* The functions that call a request's steps lie in a section of their own, so that a chain of calls is cut
 * there: what is behind them is the server's business. */
#define LY__STEPS __attribute__((section("ly_steps"), noinline))

/* The default for handle_error. */
void ly__report(const struct ly_request *rq, const char *where, int error);

#endif
