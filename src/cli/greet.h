/* SPDX-License-Identifier: MIT */
/* Which identity a machine has, before anything is sent to it. */
#ifndef LY_CLI_GREET_H
#define LY_CLI_GREET_H

#include "auth/peer.h"

/* Connect, see the key that TLS proves, and leave. What fails is said in the name of command. Returns 0 or
 * the error. Suspends. */
int ly__greet(const char *command, const struct ly__peer *peer, char ret_id[LY__ID_TEXT]);

#endif
