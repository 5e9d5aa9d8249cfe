/* SPDX-License-Identifier: MIT */
/*
 * Whether a file is there already is judged by its name, size, time and permission bits, without reading it.
 * They are put together into one text, of which the set keeps the XXH3-128: a set of a million names is 16 MB
 * and answers by binary search. That two different texts have the same checksum by chance is out of question,
 * and nobody gains by forging one: the files are the sender's own.
 */
#include "service/files/known.h"

#include "service/files/entry.h"

#include <lanyard/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY 16 /* bytes of a checksum */

/* What is known of one entry; a directory has its name only. */
struct fact {
    const char *name;
    bool directory;
    int64_t size, mtime_ns;
    unsigned mode;
};

void ly__known_init(struct ly__known *k)
{
    ly_buffer_init(&k->keys, LY__KNOWN_MAX);
}

void ly__known_done(struct ly__known *k)
{
    ly_buffer_done(&k->keys);
}

static void make_key(const struct fact *f, char out[KEY])
{
    char text[LY__NAME_MAX + 128];
    int n = f->directory ? snprintf(text, sizeof text, "d/%s", f->name)
                         : snprintf(text, sizeof text, "f%lld/%lld/%o/%s", (long long)f->size,
                                    (long long)f->mtime_ns, f->mode, f->name);
    ly__hash_bits(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, out);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, KEY);
}

static bool has(const struct ly__known *k, const struct fact *f)
{
    char key[KEY];
    if (k->keys.length == 0)
        return false;
    make_key(f, key);
    return bsearch(key, ly_buffer_bytes(&k->keys), k->keys.length / KEY, KEY, compare) != NULL;
}

/* ---- entries as they are told ---- */

/* The numbers of a file's entry. Returns 0 or LY_EFIELD. */
static int read_numbers(struct ly_json entry, struct fact *f)
{
    int64_t mode = -1;
    f->size = -1;
    int r = ly__field_int(entry, "size", &f->size, 0, INT64_MAX);
    if (r == 0)
        r = ly__field_int(entry, "mtime_ns", &f->mtime_ns, INT64_MIN, INT64_MAX);
    if (r == 0)
        r = ly__field_int(entry, "mode", &mode, 0, INT64_MAX);
    f->mode = (unsigned)(mode & 0777);
    return r < 0 || f->size < 0 || mode < 0 ? LY_EFIELD : 0;
}

int ly__known_add(struct ly__known *k, struct ly_json entry)
{
    char name[LY__PATH_MAX + 1], key[KEY];
    struct ly_json type = ly_json_get(entry, "type");
    struct fact f = {.name = name, .directory = ly_json_equal(type, "dir")};

    if (!f.directory && !ly_json_equal(type, "file"))
        return ly_json_type(type) == LY_JSON_STRING ? 0 : LY_EFIELD;
    int r = ly__field_path(entry, "name", name);
    if (r == 0 && strlen(name) > LY__NAME_MAX)
        r = LY_EFIELD;
    if (r == 0 && !f.directory)
        r = read_numbers(entry, &f);
    if (r < 0)
        return LY_EFIELD;
    make_key(&f, key);
    return ly_buffer_append(&k->keys, key, KEY);
}

void ly__known_seal(struct ly__known *k)
{
    if (k->keys.length > 0)
        qsort(ly_buffer_bytes(&k->keys), k->keys.length / KEY, KEY, compare);
}

/* ---- questions ---- */

static struct fact fact_of(const char *name, const struct stat *st)
{
    return (struct fact){
        .name = name, .size = st->st_size, .mtime_ns = ly__entry_mtime(st), .mode = st->st_mode & 0777};
}

bool ly__known_file(const struct ly__known *k, const char *name, const struct stat *st)
{
    struct fact f = fact_of(name, st);
    return has(k, &f);
}

bool ly__known_directory(const struct ly__known *k, const char *name)
{
    struct fact f = {.name = name, .directory = true};
    return has(k, &f);
}

bool ly__known_same(struct ly_json entry, const struct stat *st)
{
    struct fact told = {.name = ""}, mine = fact_of("", st);
    if (!S_ISREG(st->st_mode) || !ly_json_equal(ly_json_get(entry, "type"), "file") ||
        read_numbers(entry, &told) < 0)
        return false;
    return told.size == mine.size && told.mtime_ns == mine.mtime_ns && told.mode == mine.mode;
}
