/* SPDX-License-Identifier: MIT */
#include "service/files/entry.h"

#include <string.h>

#define SIZE_LIMIT (INT64_C(1) << 62)

static const char *const type_names[] = {"file", "dir", "link", "other"};

static enum ly__entry_type type_of(mode_t mode)
{
    return S_ISREG(mode)   ? LY__ENTRY_FILE
           : S_ISDIR(mode) ? LY__ENTRY_DIR
           : S_ISLNK(mode) ? LY__ENTRY_LINK
                           : LY__ENTRY_OTHER;
}

int64_t ly__entry_mtime(const struct stat *st)
{
    int64_t ns;
    /* file systems keep times far beyond the 292 years on each side of 1970 that fit */
    if (__builtin_mul_overflow((int64_t)st->st_mtim.tv_sec, INT64_C(1000000000), &ns) ||
        __builtin_add_overflow(ns, (int64_t)st->st_mtim.tv_nsec, &ns))
        return st->st_mtim.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

struct timespec ly__entry_timespec(int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return (struct timespec){.tv_sec = seconds, .tv_nsec = (long)rest};
}

/* ---- reading ---- */

static int read_path(struct ly_json value, char out[LY__PATH_MAX + 1])
{
    if (ly_json_type(value) != LY_JSON_STRING)
        return LY_EFIELD;
    if (ly_json_string(value, out, LY__PATH_MAX + 1) >= 0)
        return 0;
    out[0] = '\0';
    return LY_ENAME;
}

int ly__field_path(struct ly_json header, const char *name, char out[LY__PATH_MAX + 1])
{
    return read_path(ly_json_get(header, name), out);
}

int ly__field_bool(struct ly_json header, const char *name, bool *value)
{
    struct ly_json field = ly_json_get(header, name);
    return field.length == 0 ? 0 : ly_json_bool(field, value);
}

static int read_int(struct ly_json field, int64_t *value, int64_t min, int64_t max)
{
    int64_t v;
    if (ly_json_int(field, &v) < 0 || v < min || v > max)
        return LY_EFIELD;
    *value = v;
    return 0;
}

int ly__field_int(struct ly_json header, const char *name, int64_t *value, int64_t min, int64_t max)
{
    struct ly_json field = ly_json_get(header, name);
    return field.length == 0 ? 0 : read_int(field, value, min, max);
}

int ly__field_hash(struct ly_json value, char out[LY__HASH_TEXT])
{
    char text[LY__HASH_TEXT];
    if (ly_json_string(value, text, sizeof text) != LY__HASH_TEXT - 1)
        return LY_EFIELD;
    if (strspn(text, "0123456789abcdef") != LY__HASH_TEXT - 1)
        return LY_EFIELD;
    memcpy(out, text, sizeof text);
    return 0;
}

static int read_type(struct ly_json value, enum ly__entry_type *ret)
{
    for (int i = LY__ENTRY_FILE; i <= LY__ENTRY_OTHER; i++)
        if (ly_json_equal(value, type_names[i])) {
            *ret = (enum ly__entry_type)i;
            return 0;
        }
    return LY_EFIELD;
}

/* The fields that were met, so that missing ones show. */
enum { HAS_PATH = 1, HAS_TYPE = 2, HAS_TARGET = 4 };

static int read_mode(struct ly__entry *e, struct ly_json value)
{
    int64_t mode = 0;
    int r = read_int(value, &mode, 0, INT64_MAX);
    e->mode = (unsigned)(mode & 0777);
    e->has_mode = r == 0;
    return r;
}

static int read_mtime(struct ly__entry *e, struct ly_json value)
{
    e->has_mtime = true;
    return read_int(value, &e->mtime_ns, INT64_MIN, INT64_MAX);
}

static int read_offset(struct ly__entry *e, struct ly_json value)
{
    e->has_offset = true;
    return read_int(value, &e->offset, 0, SIZE_LIMIT);
}

static int read_target(struct ly__entry *e, struct ly_json value)
{
    return read_path(value, e->target) < 0 ? LY_EFIELD : 0;
}

static int read_hash(struct ly__entry *e, struct ly_json value)
{
    return ly__field_hash(value, e->xxh3);
}

static int read_entry_path(struct ly__entry *e, struct ly_json value)
{
    return read_path(value, e->path);
}

static int read_entry_type(struct ly__entry *e, struct ly_json value)
{
    e->is_entry = true;
    return read_type(value, &e->type);
}

static int read_id(struct ly__entry *e, struct ly_json value)
{
    return read_int(value, &e->id, 0, INT64_MAX);
}

static const struct field {
    const char *quoted; /* the name as nearly everyone writes it, compared without decoding */
    const char *name;
    int seen;
    int (*read)(struct ly__entry *e, struct ly_json value);
} fields[] = {
    {"\"id\"", "id", 0, read_id},
    {"\"path\"", "path", HAS_PATH, read_entry_path},
    {"\"type\"", "type", HAS_TYPE, read_entry_type},
    {"\"mode\"", "mode", 0, read_mode},
    {"\"mtime_ns\"", "mtime_ns", 0, read_mtime},
    {"\"xxh3\"", "xxh3", 0, read_hash},
    {"\"target\"", "target", HAS_TARGET, read_target},
    {"\"offset\"", "offset", 0, read_offset},
};

static const struct field *find_field(struct ly_json name)
{
    bool plain = !memchr(name.text, '\\', name.length);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct field *f = &fields[i];
        if (plain ? name.length == strlen(f->quoted) && !memcmp(name.text, f->quoted, name.length)
                  : ly_json_equal(name, f->name))
            return f;
    }
    return NULL;
}

int ly__entry_read(struct ly__entry *e, const struct ly_frame *frame)
{
    struct ly_json name, value;
    size_t it = 0;
    int seen = 0, bad_name = 0;

    e->is_entry = e->has_mode = e->has_mtime = e->has_offset = false;
    e->id = -1;
    e->mode = 0;
    e->mtime_ns = 0;
    e->size = frame->size;
    e->offset = 0;
    e->xxh3[0] = e->path[0] = e->target[0] = '\0';
    while (ly_json_next(frame->header, &it, &name, &value)) {
        const struct field *f = find_field(name);
        if (!f)
            continue;
        int r = f->read(e, value);
        if (r == LY_ENAME)
            bad_name = r;
        else if (r < 0)
            return r;
        seen |= f->seen;
    }
    int needed = HAS_PATH | HAS_TYPE;
    if ((seen & needed) != needed || (e->type == LY__ENTRY_LINK && !(seen & HAS_TARGET)))
        return LY_EFIELD;
    return bad_name;
}

/* ---- writing ---- */

static int put_common(struct ly_buffer *b, const struct stat *st, const char *target)
{
    enum ly__entry_type type = type_of(st->st_mode);
    int r = ly_json_put_string(b, "type", type_names[type]);
    if (r == 0 && type != LY__ENTRY_LINK)
        r = ly_json_put_int(b, "mode", st->st_mode & 0777);
    if (r == 0)
        r = ly_json_put_int(b, "mtime_ns", ly__entry_mtime(st));
    if (r == 0 && target)
        r = ly_json_put_string(b, "target", target);
    return r;
}

int ly__entry_put(struct ly_buffer *b, const char *name, const struct stat *st, const char *target)
{
    int r = ly_json_open(b, "entry", '{');
    if (r == 0)
        r = ly_json_put_string(b, "name", name);
    if (r == 0)
        r = put_common(b, st, target);
    if (r == 0 && S_ISREG(st->st_mode))
        r = ly_json_put_int(b, "size", st->st_size);
    return r < 0 ? r : ly_json_close(b, '}');
}

int ly__entry_put_fields(struct ly_buffer *b, const char *path, const struct stat *st, const char *target,
                         const char *xxh3, int64_t offset)
{
    int r = ly_json_put_string(b, "path", path);
    if (r == 0)
        r = put_common(b, st, target);
    if (r == 0 && xxh3)
        r = ly_json_put_string(b, "xxh3", xxh3);
    if (r == 0 && offset >= 0)
        r = ly_json_put_int(b, "offset", offset);
    return r;
}

int ly__entry_put_error(struct ly_buffer *b, int error, const char *path)
{
    int r = ly_json_put_string(b, "error", ly_error_name(error));
    if (r == 0)
        r = ly_json_put_string(b, "text", ly_error_text(error));
    if (r == 0 && path)
        r = ly_json_put_string(b, "path", path);
    return r;
}

void ly__field_spot(struct ly_json value, struct ly__spot *ret)
{
    if (ly__field_hash(ly_json_get(value, "directory"), ret->directory) < 0 ||
        ly_json_string(ly_json_get(value, "name"), ret->name, sizeof ret->name) <= 0)
        ret->directory[0] = '\0';
}

int ly__put_spot(struct ly_buffer *b, const char *member, const struct ly__spot *spot)
{
    if (!spot->directory[0])
        return 0;
    int r = ly_json_open(b, member, '{');
    if (r == 0)
        r = ly_json_put_string(b, "directory", spot->directory);
    if (r == 0)
        r = ly_json_put_string(b, "name", spot->name);
    return r < 0 ? r : ly_json_close(b, '}');
}
