/* SPDX-License-Identifier: MIT */
/* A store in a directory of its own, which goes with the test. */
#ifndef TESTS_UNIT_AUTH_TEMPORARY_H
#define TESTS_UNIT_AUTH_TEMPORARY_H

#include "auth/store.h"
#include "auth/user.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Few iterations: what is tested here is not how long guessing takes. */
#define QUICK_STORE                                         \
    {                                                       \
        .make = true, .patience_ms = 20, .iterations = 4096 \
    }

static char folder[64];

static inline void path_of(char *out, size_t cap, const char *name)
{
    snprintf(out, cap, "%s/%s", folder, name);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/lanyard-store-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"users.db", "users.db-wal", "users.db-shm", "users.db-journal",
                                        "other"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(path, sizeof path, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static inline struct ly__store *open_store(void)
{
    struct ly__store *store = NULL;
    assert_int_equal(ly__store_open(&store, folder, &(struct ly__store_options)QUICK_STORE), 0);
    return store;
}

/* Open it, make it where that is asked for, and close it again. */
static inline int try_open(bool make)
{
    struct ly__store *store = NULL;
    struct ly__store_options o = QUICK_STORE;
    o.make = make;
    int r = ly__store_open(&store, folder, &o);
    assert_true((r == 0) == (store != NULL));
    ly__store_close(store);
    return r;
}

/* Run SQL on the file as any other program could. */
static inline int64_t sql(const char *text)
{
    sqlite3 *db;
    sqlite3_stmt *query = NULL;
    char path[128];
    int64_t number = -1;
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    while (*text) {
        assert_int_equal(sqlite3_prepare_v2(db, text, -1, &query, &text), SQLITE_OK);
        if (sqlite3_step(query) == SQLITE_ROW)
            number = sqlite3_column_int64(query, 0);
        assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
    }
    sqlite3_close(db);
    return number;
}

static inline void add_user(struct ly__store *store, const char *name)
{
    struct ly__user u = {.roles = LY__READ};
    snprintf(u.name, sizeof u.name, "%s", name);
    assert_int_equal(ly__user_add(store, &u, "pass word"), 0);
}

/* Write into its file as any other program could. */
static inline void write_file(const void *bytes, size_t n, off_t at)
{
    char path[128];
    path_of(path, sizeof path, LY__STORE_FILE);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

#endif
