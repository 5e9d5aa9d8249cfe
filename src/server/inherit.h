/* SPDX-License-Identifier: MIT */
#ifndef LY_SERVER_INHERIT_H
#define LY_SERVER_INHERIT_H

#include <lanyard/supervise.h>

#define LY__INHERITED "systemd:" /* an address of listeners that were handed over, with a name or without */

/* Take one that is bound to this address, under any name. Returns 0, -ENOENT, or an error. */
int ly__listener_inherit_like(struct ly_sock **ret_sock, const struct ly_address *address);

/* This process serves: tell the predecessor that waits for it, if there is one. */
void ly__tell_ready(void);

#endif
