/* SPDX-License-Identifier: MIT */
/* A store in a directory of its own, which goes with the test. */
#ifndef TESTS_UNIT_AUTH_TEMPORARY_H
#define TESTS_UNIT_AUTH_TEMPORARY_H

#include "auth/store.h"
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

#endif
