/* SPDX-License-Identifier: MIT */
/*
 * One login, from the first message to the user: SCRAM with what the store knows. It has no I/O but the
 * store's, so its steps run on the offload pool. docs/protocol.md says what travels.
 */
#ifndef LY_AUTH_LOGIN_H
#define LY_AUTH_LOGIN_H

#include "auth/device.h"
#include "auth/failures.h"
#include "auth/user.h"

struct ly__login;

struct ly__login_options {
    struct ly__store *store;       /* borrowed */
    struct ly__failures *failures; /* borrowed */
    const uint8_t *binding;        /* LY__SCRAM_BINDING bytes that the TLS connection exports */
    const uint8_t *key; /* LY__DEVICE_KEY bytes: the client certificate's; NULL: it has shown none */
    const char *label;  /* what a device that is paired is called unless its code says; NULL: nothing */
};

/* What is pointed to is copied, but for the store and the failures. Returns 0; LY_EDENIED (no mechanism of
 * ours: only LY__SCRAM_MECHANISM is); -ENOMEM. */
int ly__login_new(struct ly__login **ret_login, const struct ly__login_options *options,
                  const char *mechanism);

/*
 * Take the client's next message and append the answer to out. Returns
 *   0   send the answer, more is to come
 *   1   logged in: send the answer. If it was a pairing, the client's key is a device of the user now
 *   LY_EDENIED  the login has failed; say so after ly__login_wait, and close
 *   the store's errors: nobody can log in now. Say no more than that, and close
 * After anything but 0 there is no further step.
 */
int ly__login_step(struct ly__login *l, const void *message, size_t n, struct ly_buffer *out);

/* After LY_EDENIED: for how many milliseconds from now the answer has to wait. */
int64_t ly__login_wait(const struct ly__login *l);

/* Who is logged in; only after 1. */
const struct ly__user *ly__login_user(const struct ly__login *l);

/* The name that was claimed, for the audit trail: a stranger's text, of at most LY__SCRAM_MESSAGE bytes. */
const char *ly__login_name(const struct ly__login *l);

/* Whether it is a pairing. */
bool ly__login_is_pairing(const struct ly__login *l);

void ly__login_free(struct ly__login *l);

#endif
