/* SPDX-License-Identifier: MIT */
/* Telling the service manager how it goes. Source: sd_notify(3). */
#ifndef LY_DAEMON_NOTIFY_H
#define LY_DAEMON_NOTIFY_H

#include <stdbool.h>

/* Send lines such as "READY=1" to the socket that $NOTIFY_SOCKET names, if it names one. Returns 0 (also
 * without a manager) or -errno. */
int ly__notify(const char *lines);

/* Whether what is written to fd goes to the service manager's journal, which knows levels. */
bool ly__notify_is_journal(int fd);

/* What an error's line on standard error begins with: its level, where that is such a journal; else "". */
const char *ly__notify_error(void);

#endif
