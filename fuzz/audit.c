/* SPDX-License-Identifier: MIT */
/* A trail that anybody may have written to: the same lines however the bytes come, and of each record a row
 * that is one line of plain characters. */
#include "cli/audit.h"
#include "auth/audit_filter.h"
#include "auth/audit_lines.h"
#include "base/escape.h"
#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_row(const struct ly__audit_view *v)
{
    struct ly_buffer b;
    uint32_t code;
    ly_buffer_init(&b, LY__AUDIT_ROW_MAX);
    require(ly__audit_table_row(&b, v) == 0);
    const char *at = ly_buffer_bytes(&b), *end = at + b.length - 1;
    require(*end == '\n');
    while (at < end) {
        size_t n = ly__utf8_decode(at, (size_t)(end - at), &code);
        require(n > 0 && !ly__escape_needed(code));
        at += n;
    }
    ly_buffer_done(&b);
}

static void check_filters(const struct ly__audit_view *v)
{
    struct ly__audit_filter f = ly__audit_filter_any();
    require(ly__audit_filter_passes(&f, v));
    f.since = v->time_us;
    f.until = v->time_us + 1;
    require(ly__audit_filter_passes(&f, v));
    f.until = v->time_us;
    require(!ly__audit_filter_passes(&f, v));
    f = ly__audit_filter_any();
    ly__audit_filter_from(&f, "192.0.2.0/24");
    f.result = "error";
    (void)ly__audit_filter_passes(&f, v);
}

static void check_line(const char *line, size_t n)
{
    struct ly__audit_view v;
    struct ly_json again;
    bool damaged;
    char *exact = malloc(n > 0 ? n : 1); /* so that a read behind the line is seen */
    require(exact && n <= LY__AUDIT_LINES_MAX);
    memcpy(exact, line, n);
    if (ly__audit_read(&v, exact, n, &damaged) == 0) {
        require(ly_json_check(&again, v.record.text, v.record.length) == 0);
        require(v.record.text >= exact && v.record.text + v.record.length <= exact + n);
        check_filters(&v);
        check_row(&v);
    }
    free(exact);
}

/* Lines and their bytes, as a number that tells two sequences apart. */
static uint64_t sum_lines(struct ly__audit_lines *l, uint64_t sum, bool check)
{
    const char *line;
    size_t n;
    while (ly__audit_lines_next(l, &line, &n)) {
        if (check)
            check_line(line, n);
        for (size_t i = 0; i < n; i++)
            sum = (sum ^ (unsigned char)line[i]) * 0x100000001b3;
        sum = (sum ^ 0x100) * 0x100000001b3;
    }
    return sum;
}

static uint64_t feed(const char *bytes, size_t size, size_t step, bool check)
{
    struct ly__audit_lines l;
    uint64_t sum = 0;
    const char *line;
    size_t n;
    ly__audit_lines_init(&l);
    for (size_t at = 0; at < size; at += step) {
        require(ly__audit_lines_add(&l, bytes + at, size - at < step ? size - at : step) == 0);
        sum = sum_lines(&l, sum, check);
    }
    if (ly__audit_lines_rest(&l, &line, &n)) {
        if (check)
            check_line(line, n);
        sum += n;
    }
    ly__audit_lines_done(&l);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    uint64_t sum = feed(bytes, size, LY__AUDIT_LINES_MAX, true);
    require(feed(bytes, size, 1 + size / 3, false) == sum || size > LY__AUDIT_LINES_MAX);
    require(feed(bytes, size, 1, false) == sum || size > LY__AUDIT_LINES_MAX);
    return 0;
}
