/* SPDX-License-Identifier: MIT */
#include "auth/audit_lines.h"
#include <string.h>

void ly__audit_lines_init(struct ly__audit_lines *l)
{
    *l = (struct ly__audit_lines){.searched = 0};
    ly_buffer_init(&l->bytes, 2 * (size_t)LY__AUDIT_LINES_MAX);
}

void ly__audit_lines_done(struct ly__audit_lines *l)
{
    ly_buffer_done(&l->bytes);
}

int ly__audit_lines_add(struct ly__audit_lines *l, const char *bytes, size_t n)
{
    return ly_buffer_append(&l->bytes, bytes, n);
}

/* Take n bytes and the line end behind them, which stay where they are until the next call adds or takes. */
static const char *take(struct ly__audit_lines *l, size_t n, size_t ends)
{
    const char *line = ly_buffer_bytes(&l->bytes);
    ly_buffer_consume(&l->bytes, n + ends);
    l->searched = 0;
    return line;
}

bool ly__audit_lines_next(struct ly__audit_lines *l, const char **ret_line, size_t *ret_n)
{
    while (l->bytes.length > l->searched) {
        const char *start = ly_buffer_bytes(&l->bytes);
        const char *end = memchr(start + l->searched, '\n', l->bytes.length - l->searched);
        size_t n = end ? (size_t)(end - start) : l->bytes.length;
        bool dropped = l->too_long;
        if (!end && !dropped && n < LY__AUDIT_LINES_MAX) {
            l->searched = n;
            return false;
        }
        l->too_long = !end;
        *ret_line = take(l, n, end != NULL);
        *ret_n = n < LY__AUDIT_LINES_MAX ? n : LY__AUDIT_LINES_MAX;
        if (!dropped)
            return true;
    }
    return false;
}

bool ly__audit_lines_rest(struct ly__audit_lines *l, const char **ret_line, size_t *ret_n)
{
    size_t n = l->bytes.length;
    if (n == 0)
        return false;
    *ret_n = n;
    *ret_line = take(l, n, 0);
    return true;
}
