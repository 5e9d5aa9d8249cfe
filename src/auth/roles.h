/* SPDX-License-Identifier: MIT */
/*
 * What a user may do: a set of roles. None implies another, admin neither, so that what somebody may do is
 * what stands there.
 */
#ifndef LY_AUTH_ROLES_H
#define LY_AUTH_ROLES_H

#include <stddef.h>

#define LY__READ 1u   /* list and get files */
#define LY__WRITE 2u  /* put, change and remove files */
#define LY__EXEC 4u   /* run commands */
#define LY__CHAT 8u   /* talk */
#define LY__ADMIN 16u /* see and end the sessions of others */
#define LY__ROLES_ALL 31u

#define LY__ROLES_TEXT 32 /* bytes of the longest text of roles, with its zero byte */

/*
 * Read names separated by commas: "read,exec". "none" and "all" stand alone. A role may not stand twice.
 * Returns 0 or LY_EFIELD.
 */
int ly__roles_parse(const char *text, unsigned *ret_roles);

/* Write them as ly__roles_parse reads them: "read,exec", or "none". Bits that are no role are left out. */
void ly__roles_format(char out[LY__ROLES_TEXT], unsigned roles);

/* The name of the i-th role, from 0; NULL behind the last. Its bit is 1u << i. */
const char *ly__role_name(unsigned i);

#endif
