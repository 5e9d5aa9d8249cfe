/* SPDX-License-Identifier: MIT */
/* The secrets that a store gives to names. */
#ifndef LY_AUTH_SECRET_H
#define LY_AUTH_SECRET_H

#include "auth/scram.h"
#include "auth/store_file.h"

/* A name's salt and iterations, and keys that no password has. Returns 0 or -ENOMEM. */
int ly__secret_of_nobody(const struct ly__store *store, const char *name,
                         struct ly__scram_secret *ret_secret);

/* The same with a password's keys, to be kept. */
int ly__secret_of_password(const struct ly__store *store, const char *name, const char *password,
                           struct ly__scram_secret *ret_secret);

/* Put what four columns from column on say in the place of nobody's keys. Returns 1, 0 (they are NULL) or
 * LY_ESTORE. */
int ly__secret_from_row(sqlite3_stmt *query, int column, struct ly__scram_secret *secret);

#endif
