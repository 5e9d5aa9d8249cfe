/* SPDX-License-Identifier: MIT */
/*
 * Pairing: a code that the server shows is typed in at a device, and the device's key is the user's from then
 * on.
 *
 * The code is SLOT-XXXX-XXXX-XXXX in Crockford's base 32. The slot says which code it is, and is no secret:
 * the login is made in the name "pair/SLOT". The rest is its password, 60 bits, used in the same SCRAM as any
 * other, so that neither who listens nor who stands in between learns it. A code is good for one attempt,
 * which is used up when the attempt begins, and for ten minutes.
 */
#ifndef LY_AUTH_PAIRING_H
#define LY_AUTH_PAIRING_H

#include "auth/device.h"

#define LY__PAIRING_SLOT 5    /* bytes of a slot, with its zero byte */
#define LY__PAIRING_SECRET 13 /* of a code's secret part, without its dashes */
#define LY__PAIRING_CODE 20   /* of a code as it is shown */
#define LY__PAIRING_SECONDS 600
#define LY__PAIRING_PREFIX "pair/" /* no user's name has a slash */

/*
 * Make a code for a user. label is what the device is to be called (NULL: as it says itself). Computes
 * for a while. Returns 0; -ENOENT (no such user, or disabled); -EAGAIN (as many codes are open as there may
 * be); LY_ENAME (the label is too long, or would have to be escaped); an error of store.h.
 */
int ly__pairing_make(struct ly__store *store, const char *user, const char *label,
                     char ret_code[LY__PAIRING_CODE]);

/*
 * Begin the one attempt at a slot's code: what it is checked against; the code is gone. Where there is none,
 * or it is too old, the secret is one that no code has. Returns 0 whatever there is; ret_user is the user's
 * id or 0, ret_label what the device is to be called or "".
 */
int ly__pairing_take(struct ly__store *store, const char *slot, struct ly__scram_secret *ret_secret,
                     int64_t *ret_user, char ret_label[LY__DEVICE_LABEL]);

/*
 * Read a code as people type it: in capitals or not, with or without dashes and blanks, o for 0, i and l
 * for 1. Returns 0 or LY_EFIELD.
 */
int ly__pairing_read(const char *text, char ret_slot[LY__PAIRING_SLOT], char ret_secret[LY__PAIRING_SECRET]);

#endif
