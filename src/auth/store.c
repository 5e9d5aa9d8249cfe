/* SPDX-License-Identifier: MIT */
/*
 * The store's file.
 *
 * It is opened only where nobody else can have put it or can read it: a regular file of mode 0600 in a
 * directory that others cannot write to, and not through a link. SQLite would make it with the process's
 * umask, so it is made here first. It is in write-ahead mode: who reads is not held up by who writes, and a
 * change that was reported as done survives the power going out (synchronous = full).
 */
#include "auth/store_file.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 5000

/* ---- errors ---- */

/* What the system said to SQLite, where it has kept that. */
static int system_error(const struct ly__store *store, int otherwise)
{
    int e = store->db ? sqlite3_system_errno(store->db) : 0;
    return e > 0 ? -e : otherwise;
}

int ly__store_error(const struct ly__store *store, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CANTOPEN:
        return system_error(store, -EACCES);
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_IOERR:
        return code == SQLITE_IOERR_NOMEM ? -ENOMEM : system_error(store, -EIO);
    default:
        return LY_ESTORE;
    }
}

const char *ly__store_text(int error)
{
    switch (error) {
    case -ENOENT:
        return "there is none yet; 'lanyard user add' makes it";
    case -EPERM:
        return "it or its directory belongs to somebody else, or others may read or change it; 'chmod 600' the file "
               "and 'chmod 700' the directory once you know why";
    case -EROFS:
        return "it cannot be written: it, or the file system that it is on, is read-only";
    case -EBUSY:
        return "another program has kept it locked";
    case LY_ESTORE:
        return "it is damaged, or was not made by lanyard; nobody is let in by it";
    case LY_ENEWER:
        return "a newer version of lanyard has written it; this one does not touch it";
    default:
        return ly_error_text(error);
    }
}

/* ---- the file ---- */

static int check_owner(const struct stat *st, mode_t forbidden)
{
    bool is_ours = st->st_uid == geteuid() || geteuid() == 0;
    return is_ours && !(st->st_mode & forbidden) ? 0 : -EPERM;
}

static int check_file(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return LY_ESTORE;
    return check_owner(&st, 077);
}

static int make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : -errno;
    int r = fchmod(fd, 0600) < 0 ? -errno : 0; /* whatever the umask has left of it */
    close(fd);
    return r;
}

/* The store's path, once it is known to be safe there. */
static int find_file(const char *directory, bool make, char ret_path[PATH_MAX])
{
    char folder[PATH_MAX];
    struct stat st;
    if (!realpath(directory, folder) || stat(folder, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    int r = check_owner(&st, 022);
    if (r < 0)
        return r;
    int n = snprintf(ret_path, PATH_MAX, "%s/" LY__STORE_FILE, folder);
    if (n < 0 || n >= PATH_MAX)
        return -ENAMETOOLONG;
    r = check_file(ret_path);
    if (r == -ENOENT && make) {
        r = make_file(ret_path);
        if (r == 0)
            r = check_file(ret_path);
    }
    return r;
}

/* ---- open and close ---- */

/* Of processes that open the file, or close it, at once: the journal goes with the last that has it open, and
 * who comes to it then, or changes the mode as well, is told so without any waiting. */
static bool is_passing(int code)
{
    return (code & 0xff) == SQLITE_BUSY || code == SQLITE_IOERR_FSTAT || code == SQLITE_IOERR_DELETE_NOENT;
}

static int begin_journal(struct ly__store *store)
{
    int64_t until = ly_deadline(store->patience_ms);
    int code;
    while (is_passing(code = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL)) &&
           ly_now() < until)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return code == SQLITE_OK ? 0 : ly__store_error(store, code);
}

static int configure(struct ly__store *store)
{
    static const char *const settings[] = {"PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON",
                                           "PRAGMA trusted_schema = OFF", "PRAGMA secure_delete = ON"};
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    if (sqlite3_db_readonly(store->db, "main") == 1)
        return -EROFS;
    int r = begin_journal(store);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        int code = sqlite3_exec(store->db, settings[i], NULL, NULL, NULL);
        if (code != SQLITE_OK)
            return ly__store_error(store, code);
    }
    return 0;
}

static int open_database(struct ly__store *store, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE;
    int code = sqlite3_open_v2(path, &store->db, flags, NULL);
    if (code != SQLITE_OK)
        return ly__store_error(store, code);
    sqlite3_busy_timeout(store->db, store->patience_ms);
    return configure(store);
}

int ly__store_open(struct ly__store **ret_store, const char *directory,
                   const struct ly__store_options *options)
{
    static const struct ly__store_options defaults = {.make = false};
    const struct ly__store_options *o = options ? options : &defaults;
    char path[PATH_MAX];
    int r = find_file(directory, o->make, path);
    if (r < 0)
        return r;
    struct ly__store *store = calloc(1, sizeof *store);
    if (!store)
        return -ENOMEM;
    pthread_mutex_init(&store->lock, NULL);
    store->patience_ms = o->patience_ms > 0 ? o->patience_ms : PATIENCE_MS;
    r = open_database(store, path);
    if (r == 0)
        r = ly__schema_upgrade(store, o->iterations ? o->iterations : LY__STORE_ITERATIONS);
    if (r < 0) {
        ly__store_close(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

void ly__store_close(struct ly__store *store)
{
    if (!store)
        return;
    sqlite3_close(store->db);
    pthread_mutex_destroy(&store->lock);
    explicit_bzero(store, sizeof *store);
    free(store);
}

int64_t ly__store_now(void)
{
    return (int64_t)time(NULL);
}
