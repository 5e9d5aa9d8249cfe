/* SPDX-License-Identifier: MIT */
/* Queries on the store, and the changes that are made whole or not at all. */
#include "auth/store_file.h"
#include <errno.h>
#include <lanyard/error.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define PAUSE_MS 10 /* until it is looked again whether another process still writes */
#define SOON_MS 100 /* for it to end, where what is to be written may be left out */

void ly__store_lock(struct ly__store *store)
{
    pthread_mutex_lock(&store->lock);
}

void ly__store_unlock(struct ly__store *store)
{
    pthread_mutex_unlock(&store->lock);
}

/* -EBUSY: another process is writing. */
static int try_to_begin(struct ly__store *store)
{
    ly__store_lock(store);
    sqlite3_busy_timeout(store->db, 0);
    int r = ly__store_error(store, sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    sqlite3_busy_timeout(store->db, store->patience_ms);
    if (r < 0)
        ly__store_unlock(store);
    return r;
}

/* SQLite would wait with our lock held, and all who only read with it. As there, only the pauses count: a
 * busy machine makes nobody impatient. */
static int begin(struct ly__store *store, int patience_ms)
{
    static const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    int r;
    for (int waited = 0; (r = try_to_begin(store)) == -EBUSY && waited < patience_ms; waited += PAUSE_MS)
        nanosleep(&pause, NULL);
    return r;
}

int ly__store_begin(struct ly__store *store)
{
    return begin(store, store->patience_ms);
}

int ly__store_begin_soon(struct ly__store *store)
{
    return begin(store, store->patience_ms < SOON_MS ? store->patience_ms : SOON_MS);
}

int ly__store_end(struct ly__store *store, int result)
{
    if (result >= 0) {
        int code = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
        if (code != SQLITE_OK)
            result = ly__store_error(store, code);
    }
    if (result < 0 && !sqlite3_get_autocommit(store->db)) /* an error may have rolled back already */
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    ly__store_unlock(store);
    return result;
}

static int bind_all(sqlite3_stmt *query, const char *types, va_list args)
{
    int code = SQLITE_OK;
    for (int i = 1; code == SQLITE_OK && *types; i++, types++) {
        if (*types == 'i') {
            code = sqlite3_bind_int64(query, i, va_arg(args, int64_t));
        } else if (*types == 't') {
            code = sqlite3_bind_text(query, i, va_arg(args, const char *), -1, SQLITE_STATIC);
        } else {
            struct ly__blob b = va_arg(args, struct ly__blob);
            if (b.bytes)
                code = sqlite3_bind_blob(query, i, b.bytes, (int)b.length, SQLITE_STATIC);
        }
    }
    return code;
}

static int prepare(struct ly__store *store, sqlite3_stmt **ret_query, const char *sql, const char *types,
                   va_list args)
{
    *ret_query = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, ret_query, NULL);
    if (code == SQLITE_OK)
        code = bind_all(*ret_query, types, args);
    if (code == SQLITE_OK)
        return 0;
    int r = ly__store_error(store, code);
    ly__query_finish(*ret_query);
    *ret_query = NULL;
    return r;
}

int ly__query(struct ly__store *store, sqlite3_stmt **ret_query, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    int r = prepare(store, ret_query, sql, types, args);
    va_end(args);
    return r;
}

int ly__query_next(struct ly__store *store, sqlite3_stmt *query)
{
    int code = sqlite3_step(query);
    return code == SQLITE_ROW ? 1 : ly__store_error(store, code);
}

void ly__query_finish(sqlite3_stmt *query)
{
    sqlite3_finalize(query); /* its result is the last step's, which was looked at */
}

int ly__store_run(struct ly__store *store, const char *sql, const char *types, ...)
{
    sqlite3_stmt *query;
    va_list args;
    va_start(args, types);
    int r = prepare(store, &query, sql, types, args);
    va_end(args);
    while (r == 0 && (r = ly__query_next(store, query)) > 0)
        r = 0; /* a row, of no use */
    ly__query_finish(query);
    return r < 0 ? r : sqlite3_changes(store->db);
}

int ly__column_bytes(sqlite3_stmt *query, int column, void *ret, size_t n)
{
    if (sqlite3_column_type(query, column) == SQLITE_NULL)
        return 0;
    const void *bytes = sqlite3_column_blob(query, column);
    if (!bytes || (size_t)sqlite3_column_bytes(query, column) != n)
        return LY_ESTORE;
    memcpy(ret, bytes, n);
    return 1;
}

int ly__column_text(sqlite3_stmt *query, int column, char *ret, size_t cap)
{
    const char *text = (const char *)sqlite3_column_text(query, column);
    size_t n = text ? (size_t)sqlite3_column_bytes(query, column) : cap;
    if (n >= cap || memchr(text, '\0', n))
        return LY_ESTORE;
    memcpy(ret, text, n + 1);
    return 0;
}
