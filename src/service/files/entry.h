/* SPDX-License-Identifier: MIT */
/* One entry of a tree as the protocol carries it. Source: docs/protocol.md, 5.1 and 5.3. */
#ifndef LY_SERVICE_ENTRY_H
#define LY_SERVICE_ENTRY_H

#include "service/files/beneath.h"
#include "service/files/hash.h"
#include "service/files/spot.h"

#include <lanyard/frame.h>
#include <lanyard/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

enum ly__entry_type { LY__ENTRY_FILE, LY__ENTRY_DIR, LY__ENTRY_LINK, LY__ENTRY_OTHER };

struct ly__entry {
    enum ly__entry_type type;
    bool is_entry;                 /* "type" was there: the frame means to be an entry */
    bool has_mode;                 /* mode was given */
    bool has_mtime;                /* mtime_ns was given */
    bool has_offset;               /* the body begins at offset, not at the file's beginning */
    unsigned mode;                 /* permission bits, at most 0777; 0 without has_mode */
    int64_t mtime_ns;              /* nanoseconds since 1970 */
    int64_t id;                    /* the request's; -1 if missing */
    int64_t size;                  /* bytes of body */
    int64_t offset;                /* where in the file they go */
    char xxh3[LY__HASH_TEXT];      /* the whole file's hash; "" where a trailer will tell */
    char path[LY__PATH_MAX + 1];   /* as sent; not yet checked */
    char target[LY__PATH_MAX + 1]; /* a link's text; "" for the others */
};

/*
 * Read an entry from a frame of the stream of entries. Returns 0; LY_ENAME (the path is too long or holds
 * U+0000; the entry is valid but for path); LY_EFIELD (not an entry as section 5.3 has it).
 */
int ly__entry_read(struct ly__entry *e, const struct ly_frame *frame);

int64_t ly__entry_mtime(const struct stat *st);
struct timespec ly__entry_timespec(int64_t mtime_ns);

/* Append "entry": {...} for ls and stat. name: the last component; target: a link's text or NULL. Returns 0,
 * LY_ETOOBIG or -ENOMEM. */
int ly__entry_put(struct ly_buffer *b, const char *name, const struct stat *st, const char *target);

/* Append an entry's fields to a frame of the stream. xxh3, target: NULL for none; offset: negative for none.
 * Returns 0, LY_ETOOBIG or -ENOMEM. */
int ly__entry_put_fields(struct ly_buffer *b, const char *path, const struct stat *st, const char *target,
                         const char *xxh3, int64_t offset);

/* Append the fields of an error frame; path may be NULL. Returns 0, LY_ETOOBIG or -ENOMEM. */
int ly__entry_put_error(struct ly_buffer *b, int error, const char *path);

/* A field that is a path, as bytes. Returns 0, LY_EFIELD (missing, no string), LY_ENAME (too long, or it
 * holds U+0000). */
int ly__field_path(struct ly_json header, const char *name, char out[LY__PATH_MAX + 1]);

/* A field that may be missing: *value stays then. Returns 0 or LY_EFIELD. */
int ly__field_bool(struct ly_json header, const char *name, bool *value);
int ly__field_int(struct ly_json header, const char *name, int64_t *value, int64_t min, int64_t max);

/* A checksum's field: 32 lower-case hexadecimal digits. Returns 0 or LY_EFIELD. */
int ly__field_hash(struct ly_json value, char out[LY__HASH_TEXT]);

/* A spot as a member of a header: {"directory": ..., "name": ...}. Where there is none, or none that can be
 * read, it is no spot. Putting returns 0, LY_ETOOBIG or -ENOMEM, and appends nothing for no spot. */
void ly__field_spot(struct ly_json value, struct ly__spot *ret);
int ly__put_spot(struct ly_buffer *b, const char *member, const struct ly__spot *spot);

#endif
