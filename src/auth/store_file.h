/* SPDX-License-Identifier: MIT */
/* The store from within: SQLite behind a lock. */
#ifndef LY_AUTH_STORE_FILE_H
#define LY_AUTH_STORE_FILE_H

#include "auth/store.h"
#include <pthread.h>
#include <sqlite3.h>

#define LY__STORE_SECRET 32

struct ly__store {
    sqlite3 *db;
    pthread_mutex_t lock;             /* held while db is used */
    uint8_t secret[LY__STORE_SECRET]; /* what salts and the keys of unknown names are made with */
    uint32_t iterations;              /* of every password in it */
    int patience_ms;                  /* how long another program is waited for */
};

/* Make the tables, or bring them up to date, and read what is kept in meta. The lock is not needed yet. */
int ly__schema_upgrade(struct ly__store *store, uint32_t iterations);

/* The error that SQLite's code stands for. */
int ly__store_error(const struct ly__store *store, int code);

/* Between these, queries may be made. A change is written as a whole or not at all: end it with what it came
 * to. While it waits for another process that writes, others of this one go on reading. */
void ly__store_lock(struct ly__store *store);
void ly__store_unlock(struct ly__store *store);
int ly__store_begin(struct ly__store *store);      /* locks if it returns 0 */
int ly__store_begin_soon(struct ly__store *store); /* the same, for what may be left out: hardly waits */
int ly__store_end(struct ly__store *store, int result);

/* Bytes as a value of a query, or as a column of its row. */
struct ly__blob {
    const void *bytes; /* NULL: SQL's NULL */
    size_t length;
};

/*
 * A query with its values, one a letter of types: i an int64_t, t a text, b a struct ly__blob. What is given
 * must stay until the query is finished. ret_query is NULL on errors; ly__query_finish takes NULL.
 */
int ly__query(struct ly__store *store, sqlite3_stmt **ret_query, const char *sql, const char *types, ...);
int ly__query_next(struct ly__store *store, sqlite3_stmt *query); /* 1: a row; 0: no more; or an error */
void ly__query_finish(sqlite3_stmt *query);

/* A query without rows. Returns how many rows it changed, or an error; -EEXIST where a name is taken. */
int ly__store_run(struct ly__store *store, const char *sql, const char *types, ...);

/* Copy a column that must have exactly n bytes, or be NULL if may_be_null. Returns 1, 0 (NULL) or LY_ESTORE.
 */
int ly__column_bytes(sqlite3_stmt *query, int column, void *ret, size_t n);

/* Copy a text column. Returns 0 or LY_ESTORE (it does not fit). */
int ly__column_text(sqlite3_stmt *query, int column, char *ret, size_t cap);

/* Seconds since 1970. */
int64_t ly__store_now(void);

#endif
