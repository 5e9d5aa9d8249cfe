/* SPDX-License-Identifier: MIT */
#include "auth/user.h"
#include "auth/secret.h"
#include "base/escape.h"
#include "base/utf8.h"
#include <errno.h>
#include <lanyard/error.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                                   \
    "id, name, roles, disabled, stored_key IS NOT NULL, account, directory, sessions, bandwidth, created, login," \
    " (SELECT count(*) FROM devices WHERE devices.user = users.id), generation"

/* ---- what may stand in a row ---- */

static bool is_letter(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name_character(uint32_t c, bool is_first)
{
    if (c >= 0x80)
        return !ly__escape_needed(c);
    if (is_letter(c) || (c >= '0' && c <= '9') || c == '_')
        return true;
    return !is_first && (c == '.' || c == '-' || c == '+');
}

int ly__user_name_check(const char *text)
{
    size_t length = strlen(text);
    char *prepared;
    uint32_t c;
    if (length == 0 || length >= LY__USER_NAME)
        return LY_ENAME;
    for (size_t at = 0, n; at < length; at += n) {
        n = ly__utf8_decode(text + at, length - at, &c);
        if (n == 0 || !is_name_character(c, at == 0))
            return LY_ENAME;
    }
    int r = ly__scram_prepare(text, &prepared);
    if (r < 0)
        return r == -ENOMEM ? r : LY_ENAME;
    r = strcmp(prepared, text) == 0 ? 0 : LY_ENAME;
    free(prepared);
    return r;
}

static int check(const struct ly__user *user)
{
    bool is_path = !user->directory[0] || user->directory[0] == '/';
    if (user->roles & ~LY__ROLES_ALL || !is_path || user->sessions < 0 || user->bandwidth < 0 ||
        !memchr(user->account, '\0', sizeof user->account) ||
        !memchr(user->directory, '\0', sizeof user->directory))
        return -EINVAL;
    return 0;
}

static struct ly__blob blob(const void *bytes, size_t n)
{
    return (struct ly__blob){bytes, n};
}

/* ---- changes ---- */

int ly__user_add(struct ly__store *store, const struct ly__user *user, const char *password)
{
    struct ly__scram_secret s = {.iterations = 0};
    int r = ly__user_name_check(user->name);
    if (r == 0)
        r = check(user);
    if (r == 0 && password)
        r = ly__secret_of_password(store, user->name, password, &s);
    if (r == 0)
        r = ly__store_begin(store);
    if (r < 0)
        return r;
    r = ly__store_run(
        store,
        "INSERT INTO users (name, roles, disabled, account, directory, sessions, bandwidth, created)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        "tiittiii", user->name, (int64_t)user->roles, (int64_t)user->disabled, user->account, user->directory,
        user->sessions, user->bandwidth, ly__store_now());
    if (r >= 0 && password)
        r = ly__store_run(store,
                          "UPDATE users SET iterations = ?2, salt = ?3, stored_key = ?4, server_key = ?5"
                          " WHERE name = ?1",
                          "tibbb", user->name, (int64_t)s.iterations, blob(s.salt, sizeof s.salt),
                          blob(s.stored_key, sizeof s.stored_key), blob(s.server_key, sizeof s.server_key));
    r = ly__store_end(store, r);
    explicit_bzero(&s, sizeof s);
    return r < 0 ? r : 0;
}

/* One change, in its own transaction, that must meet a row. */
static int end_change(struct ly__store *store, int changed)
{
    return ly__store_end(store, changed == 0 ? -ENOENT : changed < 0 ? changed : 0);
}

int ly__user_set_password(struct ly__store *store, const char *name, const char *password)
{
    struct ly__scram_secret s = {.iterations = 0};
    size_t salt = password ? sizeof s.salt : 0, key = password ? LY__SCRAM_KEY : 0;
    int r = password ? ly__secret_of_password(store, name, password, &s) : 0;
    if (r == 0)
        r = ly__store_begin(store);
    if (r < 0)
        return r;
    r = ly__store_run(
        store,
        "UPDATE users SET iterations = nullif(?2, 0), salt = ?3, stored_key = ?4, server_key = ?5"
        " WHERE name = ?1",
        "tibbb", name, (int64_t)s.iterations, blob(salt ? s.salt : NULL, salt),
        blob(key ? s.stored_key : NULL, key), blob(key ? s.server_key : NULL, key));
    r = end_change(store, r);
    explicit_bzero(&s, sizeof s);
    return r;
}

int ly__user_set(struct ly__store *store, const struct ly__user *user)
{
    int r = check(user);
    if (r == 0)
        r = ly__store_begin(store);
    if (r < 0)
        return r;
    r = ly__store_run(
        store,
        "UPDATE users SET roles = ?2, disabled = ?3, account = ?4, directory = ?5, sessions = ?6,"
        " bandwidth = ?7 WHERE id = ?1",
        "iiittii", user->id, (int64_t)user->roles, (int64_t)user->disabled, user->account, user->directory,
        user->sessions, user->bandwidth);
    return end_change(store, r);
}

int ly__user_remove(struct ly__store *store, const char *name)
{
    int r = ly__store_begin(store);
    if (r < 0)
        return r;
    return end_change(store, ly__store_run(store, "DELETE FROM users WHERE name = ?1", "t", name));
}

int ly__user_logged_in(struct ly__store *store, int64_t id)
{
    int r = ly__store_begin_soon(store);
    if (r < 0)
        return r;
    return end_change(
        store, ly__store_run(store, "UPDATE users SET login = ?2 WHERE id = ?1", "ii", id, ly__store_now()));
}

/* ---- looking ---- */

static int read_user(sqlite3_stmt *query, struct ly__user *u)
{
    memset(u, 0, sizeof *u);
    u->id = sqlite3_column_int64(query, 0);
    u->roles = (unsigned)sqlite3_column_int64(query, 2) & LY__ROLES_ALL;
    u->disabled = sqlite3_column_int64(query, 3) != 0;
    u->has_password = sqlite3_column_int64(query, 4) != 0;
    u->sessions = sqlite3_column_int64(query, 7);
    u->bandwidth = sqlite3_column_int64(query, 8);
    u->created = sqlite3_column_int64(query, 9);
    u->login = sqlite3_column_int64(query, 10);
    u->devices = sqlite3_column_int64(query, 11);
    u->generation = sqlite3_column_int64(query, 12);
    int r = ly__column_text(query, 1, u->name, sizeof u->name);
    if (r == 0)
        r = ly__column_text(query, 5, u->account, sizeof u->account);
    if (r == 0)
        r = ly__column_text(query, 6, u->directory, sizeof u->directory);
    return r == 0 && check(u) < 0 ? LY_ESTORE : r;
}

/* The one user of a query, which is finished. */
static int take_user(struct ly__store *store, int r, sqlite3_stmt *query, struct ly__user *ret_user)
{
    struct ly__user user;
    if (r == 0)
        r = ly__query_next(store, query);
    if (r == 1) {
        r = read_user(query, &user);
        if (r == 0)
            *ret_user = user;
    } else if (r == 0) {
        r = -ENOENT;
    }
    ly__query_finish(query);
    return r;
}

int ly__user_find(struct ly__store *store, const char *name, struct ly__user *ret_user)
{
    sqlite3_stmt *query;
    ly__store_lock(store);
    int r = ly__query(store, &query, "SELECT " COLUMNS " FROM users WHERE name = ?1", "t", name);
    r = take_user(store, r, query, ret_user);
    ly__store_unlock(store);
    return r;
}

int ly__user_find_id(struct ly__store *store, int64_t id, struct ly__user *ret_user)
{
    sqlite3_stmt *query;
    ly__store_lock(store);
    int r = ly__query(store, &query, "SELECT " COLUMNS " FROM users WHERE id = ?1", "i", id);
    r = take_user(store, r, query, ret_user);
    ly__store_unlock(store);
    return r;
}

int ly__user_each(struct ly__store *store, int (*fn)(void *arg, const struct ly__user *user), void *arg)
{
    sqlite3_stmt *query;
    struct ly__user user;
    ly__store_lock(store);
    int r = ly__query(store, &query, "SELECT " COLUMNS " FROM users ORDER BY name", "");
    while (r == 0 && (r = ly__query_next(store, query)) == 1) {
        r = read_user(query, &user);
        if (r == 0)
            r = fn(arg, &user);
        if (r != 0)
            break;
    }
    ly__query_finish(query);
    ly__store_unlock(store);
    return r;
}

/* The user's row, or one of nobody's behind it: either way there is one to be read, which takes as long. */
static const char secret_query[] = "SELECT iterations, salt, stored_key, server_key, id FROM users"
                                   " WHERE name = ?1 AND disabled = 0 AND stored_key IS NOT NULL"
                                   " UNION ALL SELECT ?2, ?3, ?4, ?5, 0 LIMIT 1";

int ly__user_secret(struct ly__store *store, const char *name, struct ly__scram_secret *ret_secret,
                    int64_t *ret_id)
{
    sqlite3_stmt *query;
    struct ly__scram_secret nobody, secret;
    int64_t id = 0;
    int r = ly__secret_of_nobody(store, name, &nobody);
    if (r < 0)
        return r;
    ly__store_lock(store);
    r = ly__query(store, &query, secret_query, "tibbb", name, (int64_t)nobody.iterations,
                  blob(nobody.salt, sizeof nobody.salt), blob(nobody.stored_key, sizeof nobody.stored_key),
                  blob(nobody.server_key, sizeof nobody.server_key));
    if (r == 0)
        r = ly__query_next(store, query);
    if (r == 1)
        r = ly__secret_from_row(query, 0, &secret);
    if (r == 1)
        id = sqlite3_column_int64(query, 4);
    ly__query_finish(query);
    ly__store_unlock(store);
    if (r == 1) {
        *ret_secret = secret;
        *ret_id = id;
        explicit_bzero(&secret, sizeof secret);
    }
    return r == 1 ? 0 : r < 0 ? r : LY_ESTORE;
}
