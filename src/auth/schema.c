/* SPDX-License-Identifier: MIT */
/*
 * The store's tables, and the way from each older version to the newest.
 *
 * PRAGMA user_version says which version a file has. Each step below makes the next version of the one before
 * it; they run in one transaction, so that a file is of one version or another, never between. A step that
 * has been released is never changed: what is to be different is a further step. A file of a newer version is
 * left alone, since nobody here knows what it has promised to whom.
 */
#include "auth/source.h"
#include "auth/store_file.h"
#include <lanyard/error.h>
#include <stdio.h>
#include <string.h>

#define APPLICATION_ID 0x4c594e44 /* "LYND", at a fixed place in the file */

/* 1: who, and how they log in. A user's id is never used again: sessions and the audit trail name it. Without
 * keys a user has no password. Pairings expire by the boot that they were made in and its clock, which nobody
 * sets. */
static const char first[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    "  roles INTEGER NOT NULL, disabled INTEGER NOT NULL DEFAULT 0,"
    "  iterations INTEGER, salt BLOB, stored_key BLOB, server_key BLOB,"
    "  account TEXT NOT NULL DEFAULT '', directory TEXT NOT NULL DEFAULT '',"
    "  created INTEGER NOT NULL, login INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE devices (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE, key BLOB NOT NULL UNIQUE,"
    "  label TEXT NOT NULL, created INTEGER NOT NULL, seen INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX devices_of ON devices (user);"
    "CREATE TABLE pairings (slot TEXT PRIMARY KEY,"
    "  user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
    "  iterations INTEGER NOT NULL, salt BLOB NOT NULL, stored_key BLOB NOT NULL, server_key BLOB NOT NULL,"
    "  boot TEXT NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/* 2: limits; and a number that grows when somebody loses something, whoever has written it. */
static const char second[] =
    "ALTER TABLE users ADD COLUMN sessions INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE users ADD COLUMN bandwidth INTEGER NOT NULL DEFAULT 0;"
    "INSERT INTO meta VALUES ('version', 1);"
    "CREATE TRIGGER user_changed AFTER UPDATE OF roles, disabled, stored_key, account, directory, sessions,"
    "  bandwidth ON users BEGIN UPDATE meta SET value = value + 1 WHERE key = 'version'; END;"
    "CREATE TRIGGER user_removed AFTER DELETE ON users"
    "  BEGIN UPDATE meta SET value = value + 1 WHERE key = 'version'; END;"
    "CREATE TRIGGER device_removed AFTER DELETE ON devices"
    "  BEGIN UPDATE meta SET value = value + 1 WHERE key = 'version'; END;"
    "CREATE TRIGGER device_moved AFTER UPDATE OF user ON devices"
    "  BEGIN UPDATE meta SET value = value + 1 WHERE key = 'version'; END;";

/* 3: the same number for each user, so that the sessions of others go on. */
static const char third[] =
    "ALTER TABLE users ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;"
    "CREATE TRIGGER user_aged AFTER UPDATE OF roles, disabled, stored_key, account, directory, sessions,"
    "  bandwidth ON users BEGIN UPDATE users SET generation = generation + 1 WHERE id = new.id; END;";

/* 4: what the device is to be called that a code is for. */
static const char fourth[] = "ALTER TABLE pairings ADD COLUMN label TEXT NOT NULL DEFAULT '';";

static const char *const steps[] = {first, second, third, fourth};
#define STEPS ((int)(sizeof steps / sizeof *steps))

/* The one number that a query gives. */
static int number(struct ly__store *store, const char *sql, int64_t *ret)
{
    sqlite3_stmt *query;
    int r = ly__query(store, &query, sql, "");
    if (r == 0)
        r = ly__query_next(store, query);
    if (r == 1)
        *ret = sqlite3_column_int64(query, 0);
    ly__query_finish(query);
    return r == 0 ? LY_ESTORE : r < 0 ? r : 0;
}

/* The version of what is there; 0 for an empty file. */
static int find_version(struct ly__store *store)
{
    int64_t id = 0, version = 0, tables = 0;
    int r = number(store, "PRAGMA application_id", &id);
    if (r == 0)
        r = number(store, "PRAGMA user_version", &version);
    if (r == 0)
        r = number(store, "SELECT count(*) FROM sqlite_schema", &tables);
    if (r < 0)
        return r;
    if (id == 0 && version == 0 && tables == 0)
        return 0;
    if (id != APPLICATION_ID || version < 1)
        return LY_ESTORE;
    return version > STEPS ? LY_ENEWER : (int)version;
}

static int execute(struct ly__store *store, const char *sql)
{
    return ly__store_error(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

/* What the first step cannot say in SQL. */
static int fill_meta(struct ly__store *store, uint32_t iterations)
{
    uint8_t secret[LY__STORE_SECRET];
    int r = ly__random(secret, sizeof secret);
    if (r == 0)
        r = ly__store_run(store, "INSERT INTO meta VALUES ('secret', ?1), ('iterations', ?2)", "bi",
                          (struct ly__blob){secret, sizeof secret}, (int64_t)iterations);
    explicit_bzero(secret, sizeof secret);
    return r < 0 ? r : 0;
}

static int upgrade(struct ly__store *store, int version, uint32_t iterations)
{
    char mark[96];
    int r = 0;
    for (int i = version; r == 0 && i < STEPS; i++) {
        r = execute(store, steps[i]);
        if (r == 0 && i == 0)
            r = fill_meta(store, iterations);
    }
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
             STEPS);
    return r < 0 ? r : execute(store, mark);
}

/* "ok" in one row, or what is wrong. */
static int check(struct ly__store *store)
{
    sqlite3_stmt *query;
    int r = ly__query(store, &query, "PRAGMA quick_check(1)", "");
    if (r == 0)
        r = ly__query_next(store, query);
    if (r == 1) {
        const char *found = (const char *)sqlite3_column_text(query, 0);
        r = found && strcmp(found, "ok") == 0 ? 0 : LY_ESTORE;
    } else if (r == 0) {
        r = LY_ESTORE;
    }
    ly__query_finish(query);
    return r;
}

static int read_meta(struct ly__store *store)
{
    sqlite3_stmt *query;
    int64_t iterations = 0;
    int r = number(store, "SELECT value FROM meta WHERE key = 'iterations'", &iterations);
    if (r == 0)
        r = ly__query(store, &query, "SELECT value FROM meta WHERE key = 'secret'", "");
    if (r < 0)
        return r;
    r = ly__query_next(store, query);
    if (r == 1)
        r = ly__column_bytes(query, 0, store->secret, sizeof store->secret);
    ly__query_finish(query);
    if (r == 0 || iterations < 1 || iterations > UINT32_MAX)
        return LY_ESTORE;
    store->iterations = (uint32_t)iterations;
    return r < 0 ? r : 0;
}

/* The transaction is begun for a file that is up to date, too: one that cannot be written is found now, not
 * when the first user is to be locked out. */
int ly__schema_upgrade(struct ly__store *store, uint32_t iterations)
{
    int r = ly__store_begin(store);
    if (r < 0)
        return r;
    r = find_version(store);
    if (r >= 0 && r < STEPS)
        r = upgrade(store, r, iterations);
    if (r >= 0)
        r = check(store);
    if (r >= 0)
        r = read_meta(store);
    return ly__store_end(store, r);
}

int ly__store_version(struct ly__store *store, int64_t *ret_version)
{
    ly__store_lock(store);
    int r = number(store, "SELECT value FROM meta WHERE key = 'version'", ret_version);
    ly__store_unlock(store);
    return r;
}
