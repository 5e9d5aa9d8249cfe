/* SPDX-License-Identifier: MIT */
#include "auth/device.h"
#include "auth/store_file.h"
#include "base/escape.h"
#include <errno.h>
#include <lanyard/error.h>
#include <string.h>

#define SEEN_EVERY 600 /* seconds: a login by a key shall not cost a write */

int ly__device_enrol(struct ly__store *store, int64_t user, const uint8_t key[LY__DEVICE_KEY],
                     const char *label)
{
    char shown[LY__DEVICE_LABEL];
    ly__escape(shown, sizeof shown, label, strnlen(label, LY__DEVICE_LABEL));
    int r = ly__store_begin(store);
    if (r < 0)
        return r;
    r = ly__store_run(
        store,
        "INSERT INTO devices (user, key, label, created) SELECT id, ?2, ?3, ?4 FROM users WHERE id = ?1"
        " ON CONFLICT (key) DO UPDATE SET user = excluded.user, label = excluded.label,"
        "  created = excluded.created, seen = 0",
        "ibti", user, (struct ly__blob){key, LY__DEVICE_KEY}, shown, ly__store_now());
    return ly__store_end(store, r == 0 ? -ENOENT : r < 0 ? r : 0);
}

int ly__device_find(struct ly__store *store, const uint8_t key[LY__DEVICE_KEY], struct ly__user *ret_user,
                    int64_t *ret_device)
{
    sqlite3_stmt *query;
    int64_t user = 0, device = 0;
    ly__store_lock(store);
    int r = ly__query(store, &query, "SELECT id, user FROM devices WHERE key = ?1", "b",
                      (struct ly__blob){key, LY__DEVICE_KEY});
    if (r == 0)
        r = ly__query_next(store, query);
    if (r == 1) {
        device = sqlite3_column_int64(query, 0);
        user = sqlite3_column_int64(query, 1);
    }
    ly__query_finish(query);
    ly__store_unlock(store);
    if (r <= 0)
        return r == 0 ? -ENOENT : r;
    r = ly__user_find_id(store, user, ret_user);
    if (r == 0 && ret_user->disabled)
        r = -ENOENT;
    if (r == 0)
        *ret_device = device;
    return r;
}

int ly__device_seen(struct ly__store *store, int64_t device)
{
    sqlite3_stmt *query;
    int64_t seen = 0, now = ly__store_now();
    ly__store_lock(store);
    int r = ly__query(store, &query, "SELECT seen FROM devices WHERE id = ?1", "i", device);
    if (r == 0)
        r = ly__query_next(store, query);
    if (r == 1)
        seen = sqlite3_column_int64(query, 0);
    ly__query_finish(query);
    ly__store_unlock(store);
    if (r <= 0)
        return r == 0 ? -ENOENT : r;
    if (seen <= now && now - seen < SEEN_EVERY) /* a clock that was set back writes anew */
        return 0;
    r = ly__store_begin_soon(store);
    if (r < 0)
        return r;
    r = ly__store_run(store, "UPDATE devices SET seen = ?2 WHERE id = ?1", "ii", device, now);
    if (r > 0)
        r = ly__store_run(store,
                          "UPDATE users SET login = ?2 WHERE id = (SELECT user FROM devices WHERE id = ?1)",
                          "ii", device, now);
    return ly__store_end(store, r == 0 ? -ENOENT : r < 0 ? r : 0);
}

int ly__device_revoke(struct ly__store *store, int64_t device)
{
    int r = ly__store_begin(store);
    if (r < 0)
        return r;
    r = ly__store_run(store, "DELETE FROM devices WHERE id = ?1", "i", device);
    return ly__store_end(store, r == 0 ? -ENOENT : r < 0 ? r : 0);
}

int ly__device_holds(struct ly__store *store, int64_t user, int64_t generation, int64_t device)
{
    sqlite3_stmt *query;
    ly__store_lock(store);
    int r = ly__query(store, &query,
                      "SELECT 1 FROM users WHERE id = ?1 AND generation = ?2 AND disabled = 0"
                      " AND (?3 = 0 OR EXISTS (SELECT 1 FROM devices WHERE devices.id = ?3 AND user = ?1))",
                      "iii", user, generation, device);
    if (r == 0)
        r = ly__query_next(store, query);
    ly__query_finish(query);
    ly__store_unlock(store);
    return r;
}

static int read_device(sqlite3_stmt *query, struct ly__device *d)
{
    memset(d, 0, sizeof *d);
    d->id = sqlite3_column_int64(query, 0);
    d->user = sqlite3_column_int64(query, 1);
    d->created = sqlite3_column_int64(query, 5);
    d->seen = sqlite3_column_int64(query, 6);
    int r = ly__column_text(query, 2, d->user_name, sizeof d->user_name);
    if (r == 0)
        r = ly__column_bytes(query, 3, d->key, sizeof d->key) == 1 ? 0 : LY_ESTORE;
    if (r == 0)
        r = ly__column_text(query, 4, d->label, sizeof d->label);
    return r;
}

int ly__device_each(struct ly__store *store, int64_t user,
                    int (*fn)(void *arg, const struct ly__device *device), void *arg)
{
    sqlite3_stmt *query;
    struct ly__device device;
    ly__store_lock(store);
    int r = ly__query(store, &query,
                      "SELECT devices.id, user, name, key, label, devices.created, seen"
                      " FROM devices JOIN users ON users.id = user WHERE ?1 IN (0, user) ORDER BY devices.id",
                      "i", user);
    while (r == 0 && (r = ly__query_next(store, query)) == 1) {
        r = read_device(query, &device);
        if (r == 0)
            r = fn(arg, &device);
        if (r != 0)
            break;
    }
    ly__query_finish(query);
    ly__store_unlock(store);
    return r;
}
