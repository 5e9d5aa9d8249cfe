/* SPDX-License-Identifier: MIT */
/* A trail in a folder of its own, and what is in it. */
#ifndef LY_TESTS_TRAIL_H
#define LY_TESTS_TRAIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/audit_line.h"
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/lanyard-audit-XXXXXX";
static char path[64], rotated[64];

static inline int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/audit.jsonl", folder);
    snprintf(rotated, sizeof rotated, "%s/audit.jsonl.1", folder);
    return 0;
}

static inline int clear_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(rotated);
    return 0;
}

static inline int remove_folder(void **state)
{
    clear_folder(state);
    return rmdir(folder);
}

/* The file's bytes, to be freed. */
static inline char *contents(const char *file, size_t *ret_n)
{
    struct stat st;
    memset(&st, 0, sizeof st);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(text);
    for (off_t at = 0; at < st.st_size;) {
        ssize_t n = read(fd, text + at, (size_t)(st.st_size - at));
        assert_true(n > 0);
        at += n;
    }
    close(fd);
    *ret_n = (size_t)st.st_size;
    return text;
}

/* The records of a file. */
struct records {
    char *text;
    struct ly__audit_view *views;
    size_t n, damaged; /* damaged: lines that are no record, or have a piece of one in front */
};

static inline struct records read_records(const char *file)
{
    size_t n = 0;
    struct records r = {.text = contents(file, &n)};
    r.views = calloc(n + 1, sizeof *r.views);
    assert_non_null(r.views);
    for (const char *line = r.text, *end; line < r.text + n; line = end + 1) {
        bool damaged;
        end = strchr(line, '\n');
        end = end ? end : r.text + n;
        if (end == line)
            continue;
        bool is_record = ly__audit_read(&r.views[r.n], line, (size_t)(end - line), &damaged) == 0;
        r.n += is_record;
        r.damaged += damaged || !is_record;
    }
    return r;
}

static inline void free_records(struct records *r)
{
    free(r->views);
    free(r->text);
}

static inline void assert_text(struct ly_json value, const char *wanted)
{
    char *text = malloc(value.length + 1);
    assert_non_null(text);
    assert_true(ly_json_string(value, text, value.length + 1) >= 0);
    assert_string_equal(text, wanted);
    free(text);
}

#endif
