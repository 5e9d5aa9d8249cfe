/* SPDX-License-Identifier: MIT */
/* Secrets that people type. */
#ifndef LY_CLI_PROMPT_H
#define LY_CLI_PROMPT_H

#include <stddef.h>

/*
 * Ask on the terminal of this process, without echo, whatever its standard streams are. A signal that ends or
 * stops the process finds the terminal as it was. Returns the length, without the line end; -ENXIO (there is
 * no terminal); LY_ETOOBIG; LY_EEOF (end of input).
 */
int ly__prompt_secret(const char *question, char *ret, size_t cap);

#endif
