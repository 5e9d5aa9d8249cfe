/* SPDX-License-Identifier: MIT */
/* What the readers of a configuration share. */
#ifndef LY_DAEMON_CONFIG_TELL_H
#define LY_DAEMON_CONFIG_TELL_H

#include "daemon/config.h"

/* Tell of a mistake; control characters are escaped. */
void ly__config_tell(const struct ly__config_sink *sink, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Take a value of the file or the environment; borrowed. Returns 0, or LY_EFIELD: it was told why not. */
int ly__config_add(struct ly__config *c, size_t key, const char *text, enum ly__config_origin from,
                   unsigned line, const char *where, const struct ly__config_sink *sink);

#endif
