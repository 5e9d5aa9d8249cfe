/* SPDX-License-Identifier: MIT */
/*
 * Salts and the keys of unknown names.
 *
 * A server that answers an unknown name at once, or with another salt each time, tells everybody who is a
 * user. Here a name's salt is the HMAC of the name under a secret of the store, whether there is such a user
 * or not, before and after; and where there is none, the keys come from the same HMAC, so that the rest of
 * the login runs as for a wrong password.
 */
#include "auth/secret.h"
#include <lanyard/challenge.h>
#include <lanyard/error.h>
#include <string.h>

/* HMAC-SHA-256 of a purpose and a name. The purposes' names have one length each: no two inputs are the same.
 */
static int make(const struct ly__store *store, const char *purpose, const char *name,
                uint8_t ret[LY__SCRAM_KEY])
{
    struct ly_digest *d;
    int r = ly_digest_new(&d, LY_SHA256, store->secret, sizeof store->secret);
    if (r < 0)
        return r;
    r = ly_digest_update(d, purpose, strlen(purpose) + 1);
    if (r == 0)
        r = ly_digest_update(d, name, strlen(name));
    if (r == 0) {
        ssize_t n = ly_digest_end(d, ret);
        r = n < 0 ? (int)n : 0;
    }
    ly_digest_free(d);
    return r;
}

int ly__secret_of_nobody(const struct ly__store *store, const char *name, struct ly__scram_secret *ret_secret)
{
    struct ly__scram_secret secret = {.iterations = store->iterations};
    uint8_t salt[LY__SCRAM_KEY];
    int r = make(store, "salt", name, salt);
    if (r == 0)
        r = make(store, "stored key", name, secret.stored_key);
    if (r == 0)
        r = make(store, "server key", name, secret.server_key);
    if (r < 0)
        return r;
    memcpy(secret.salt, salt, sizeof secret.salt);
    *ret_secret = secret;
    return 0;
}

int ly__secret_of_password(const struct ly__store *store, const char *name, const char *password,
                           struct ly__scram_secret *ret_secret)
{
    int r = ly__secret_of_nobody(store, name, ret_secret);
    return r < 0 ? r : ly__scram_derive(ret_secret, password);
}

int ly__secret_from_row(sqlite3_stmt *query, int column, struct ly__scram_secret *secret)
{
    struct ly__scram_secret s = {.iterations = 0};
    int64_t iterations = sqlite3_column_int64(query, column);
    if (sqlite3_column_type(query, column) == SQLITE_NULL)
        return 0;
    int r = ly__column_bytes(query, column + 1, s.salt, sizeof s.salt);
    if (r == 1)
        r = ly__column_bytes(query, column + 2, s.stored_key, sizeof s.stored_key);
    if (r == 1)
        r = ly__column_bytes(query, column + 3, s.server_key, sizeof s.server_key);
    if (r != 1 || iterations < 1 || iterations > LY__SCRAM_ITERATIONS_MAX)
        return LY_ESTORE;
    s.iterations = (uint32_t)iterations;
    *secret = s;
    return 1;
}
