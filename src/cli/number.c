/* SPDX-License-Identifier: MIT */
#include "cli/number.h"
#include <ctype.h>
#include <errno.h>
#include <lanyard/error.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX 1e12 /* milliseconds: some thirty years */

int ly__number_read(const char *text, int64_t least, int64_t most, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || isspace((unsigned char)*text) || n < least || n > most)
        return LY_EFIELD;
    *ret = n;
    return 0;
}

int ly__duration_read(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    if (!isdigit((unsigned char)*text) || text[1] == 'x' || text[1] == 'X')
        return LY_EFIELD;
    double n = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double ms = n * units[i].ms;
        if (strcmp(end, units[i].name) != 0)
            continue;
        if (!(ms > 0 && ms <= DURATION_MAX))
            return LY_EFIELD;
        *ret_ms = ms < 1 ? 1 : (int64_t)ms;
        return 0;
    }
    return LY_EFIELD;
}

int ly__size_read(const char *text, int64_t most, int64_t *ret)
{
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    int shift = unit ? (int)(unit - units + 1) * 10 : 0;
    if (errno || !isdigit((unsigned char)*text) || end[unit != NULL] || n > most >> shift)
        return LY_EFIELD;
    *ret = (int64_t)n << shift;
    return 0;
}
