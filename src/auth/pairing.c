/* SPDX-License-Identifier: MIT */
#include "auth/pairing.h"
#include "auth/secret.h"
#include "auth/source.h"
#include "base/escape.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OPEN_MAX 64 /* codes at once */
#define BOOT 40     /* bytes of a boot's id */

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* ---- the code ---- */

static int digit(char c)
{
    int upper = toupper((unsigned char)c);
    if (upper == 'O')
        upper = '0';
    else if (upper == 'I' || upper == 'L')
        upper = '1';
    const char *at = upper ? strchr(digits, upper) : NULL;
    return at ? (int)(at - digits) : -1;
}

int ly__pairing_read(const char *text, char ret_slot[LY__PAIRING_SLOT], char ret_secret[LY__PAIRING_SECRET])
{
    char all[LY__PAIRING_SLOT + LY__PAIRING_SECRET - 1];
    size_t n = 0;
    for (; *text; text++) {
        int d = digit(*text);
        if (d < 0 && (*text == '-' || *text == ' '))
            continue;
        if (d < 0 || n == sizeof all - 1)
            return LY_EFIELD;
        all[n++] = digits[d];
    }
    if (n != sizeof all - 1)
        return LY_EFIELD;
    all[n] = '\0';
    memcpy(ret_slot, all, LY__PAIRING_SLOT - 1);
    ret_slot[LY__PAIRING_SLOT - 1] = '\0';
    memcpy(ret_secret, all + LY__PAIRING_SLOT - 1, LY__PAIRING_SECRET);
    explicit_bzero(all, sizeof all);
    return 0;
}

/* n - 1 random digits and a zero byte. */
static int draw(char *out, size_t n)
{
    uint8_t bytes[16];
    int r = ly__random(bytes, n - 1);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n - 1; i++)
        out[i] = digits[bytes[i] & 31];
    out[n - 1] = '\0';
    explicit_bzero(bytes, sizeof bytes);
    return 0;
}

/* ---- when ---- */

/* The clock that goes on while the machine sleeps and that nobody sets, and the boot that it counts from. */
struct moment {
    int64_t seconds;
    char boot[BOOT];
};

static void look_at_clock(struct moment *m)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_BOOTTIME, &t);
    memset(m, 0, sizeof *m);
    m->seconds = (int64_t)t.tv_sec;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, m->boot, sizeof m->boot - 1);
    m->boot[n > 0 ? strcspn(m->boot, "\n") : 0] = '\0';
    close(fd);
}

/* One that would live longer than any does is of another clock: of a boot whose id could not be read, or of a
 * time namespace. */
static int drop_expired(struct ly__store *store, const struct moment *now)
{
    return ly__store_run(store, "DELETE FROM pairings WHERE boot <> ?1 OR expires <= ?2 OR expires > ?3",
                         "tii", now->boot, now->seconds, now->seconds + LY__PAIRING_SECONDS);
}

/* ---- the table ---- */

static int count_open(struct ly__store *store)
{
    sqlite3_stmt *query;
    int r = ly__query(store, &query, "SELECT count(*) FROM pairings", "");
    if (r == 0)
        r = ly__query_next(store, query);
    if (r == 1)
        r = (int)sqlite3_column_int64(query, 0);
    ly__query_finish(query);
    return r;
}

static int insert(struct ly__store *store, const char *user, const char *label, const char *slot,
                  const struct ly__scram_secret *s)
{
    struct moment now;
    look_at_clock(&now);
    int r = ly__store_begin(store);
    if (r < 0)
        return r;
    r = drop_expired(store, &now);
    if (r >= 0)
        r = count_open(store);
    if (r >= OPEN_MAX)
        r = -EAGAIN;
    if (r >= 0)
        r = ly__store_run(
            store,
            "INSERT INTO pairings (slot, user, iterations, salt, stored_key, server_key, boot, expires, label)"
            " SELECT ?2, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM users WHERE name = ?1 AND disabled = 0",
            "ttibbbtit", user, slot, (int64_t)s->iterations, (struct ly__blob){s->salt, sizeof s->salt},
            (struct ly__blob){s->stored_key, sizeof s->stored_key},
            (struct ly__blob){s->server_key, sizeof s->server_key}, now.boot,
            now.seconds + LY__PAIRING_SECONDS, label);
    return ly__store_end(store, r == 0 ? -ENOENT : r < 0 ? r : 0);
}

static int make_one(struct ly__store *store, const char *user, const char *label,
                    char ret_code[LY__PAIRING_CODE])
{
    char slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET],
        name[sizeof LY__PAIRING_PREFIX + LY__PAIRING_SLOT];
    struct ly__scram_secret s;
    int r = draw(slot, sizeof slot);
    if (r == 0)
        r = draw(secret, sizeof secret);
    if (r < 0)
        return r;
    snprintf(name, sizeof name, LY__PAIRING_PREFIX "%s", slot);
    r = ly__secret_of_password(store, name, secret, &s);
    if (r == 0)
        r = insert(store, user, label, slot, &s);
    if (r == 0)
        snprintf(ret_code, LY__PAIRING_CODE, "%s-%.4s-%.4s-%.4s", slot, secret, secret + 4, secret + 8);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(&s, sizeof s);
    return r;
}

int ly__pairing_make(struct ly__store *store, const char *user, const char *label,
                     char ret_code[LY__PAIRING_CODE])
{
    char shown[LY__DEVICE_LABEL] = "";
    int r = 0;
    if (label)
        ly__escape(shown, sizeof shown, label, strnlen(label, sizeof shown));
    if (label && strcmp(shown, label) != 0)
        return LY_ENAME;
    for (int i = 0; i < 8; i++) { /* a slot that is taken: one in a million for each open code */
        r = make_one(store, user, label ? label : "", ret_code);
        if (r != -EEXIST)
            break;
    }
    return r;
}

/* The secret of a slot that is open, and its user. Returns 1, 0 or an error. */
static int read_slot(struct ly__store *store, const char *slot, struct ly__scram_secret *secret,
                     int64_t *ret_user, char ret_label[LY__DEVICE_LABEL])
{
    sqlite3_stmt *query;
    int r = ly__query(
        store, &query,
        "SELECT pairings.iterations, pairings.salt, pairings.stored_key, pairings.server_key, user, label"
        " FROM pairings JOIN users ON users.id = user WHERE slot = ?1 AND disabled = 0",
        "t", slot);
    if (r == 0)
        r = ly__query_next(store, query);
    if (r == 1)
        r = ly__secret_from_row(query, 0, secret);
    if (r == 1)
        *ret_user = sqlite3_column_int64(query, 4);
    if (r == 1 && ly__column_text(query, 5, ret_label, LY__DEVICE_LABEL) < 0)
        r = LY_ESTORE;
    ly__query_finish(query);
    return r;
}

/* The attempt at a slot that is there. The code goes with it, in the one transaction. */
static int use_up(struct ly__store *store, const char *slot, struct ly__scram_secret *secret,
                  int64_t *ret_user, char ret_label[LY__DEVICE_LABEL])
{
    struct moment now;
    int r = ly__store_begin(store);
    if (r < 0)
        return r;
    look_at_clock(&now);
    r = drop_expired(store, &now);
    if (r >= 0)
        r = read_slot(store, slot, secret, ret_user, ret_label);
    if (r >= 0)
        r = ly__store_run(store, "DELETE FROM pairings WHERE slot = ?1", "t", slot);
    return ly__store_end(store, r);
}

/* Strangers who try slots shall not hold up who writes: without a row there is nothing to be written. */
static int is_there(struct ly__store *store, const char *slot)
{
    sqlite3_stmt *query;
    ly__store_lock(store);
    int r = ly__query(store, &query, "SELECT 1 FROM pairings WHERE slot = ?1", "t", slot);
    if (r == 0)
        r = ly__query_next(store, query);
    ly__query_finish(query);
    ly__store_unlock(store);
    return r;
}

int ly__pairing_take(struct ly__store *store, const char *slot, struct ly__scram_secret *ret_secret,
                     int64_t *ret_user, char ret_label[LY__DEVICE_LABEL])
{
    struct ly__scram_secret secret;
    char name[512], label[LY__DEVICE_LABEL] = "";
    int64_t user = 0;
    snprintf(name, sizeof name, LY__PAIRING_PREFIX "%s", slot);
    int r = ly__secret_of_nobody(store, name, &secret);
    if (r == 0)
        r = is_there(store, slot);
    if (r == 1)
        r = use_up(store, slot, &secret, &user, label);
    if (r >= 0) {
        *ret_secret = secret;
        *ret_user = user;
        memcpy(ret_label, label, sizeof label);
    }
    explicit_bzero(&secret, sizeof secret);
    return r < 0 ? r : 0;
}
