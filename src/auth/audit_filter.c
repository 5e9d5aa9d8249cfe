/* SPDX-License-Identifier: MIT */
#include "auth/audit_filter.h"
#include <lanyard/error.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct ly__audit_filter ly__audit_filter_any(void)
{
    return (struct ly__audit_filter){.since = INT64_MIN, .until = INT64_MAX, .prefix = -1};
}

/* Whether it can be what is recorded of an origin: with a scheme, HOST:PORT as the table shows
 * it, or a device. */
static bool is_origin(const char *text)
{
    char plain[LY__AUDIT_FROM_MAX + 8];
    struct ly_address address;
    if (strstr(text, "://") || strncmp(text, "unix:", 5) == 0 || text[strspn(text, "0123456789-")] == '\0')
        return true;
    snprintf(plain, sizeof plain, "tcp://%s", text);
    return ly_address_parse(&address, plain) == 0;
}

int ly__audit_filter_from(struct ly__audit_filter *f, const char *text)
{
    f->from = text;
    if (ly_network_parse(&f->network, &f->prefix, text) == 0)
        return 0;
    f->prefix = -1;
    return is_origin(text) ? 0 : LY_EFIELD;
}

/* Whether a text of the record is the one that is asked for. A missing one is "". */
static bool is(struct ly_json value, const char *asked)
{
    return !asked || (value.length > 0 ? ly_json_equal(value, asked) : *asked == '\0');
}

/* An address's scheme says how it is connected, not where it is. */
static bool is_there(const struct ly__audit_filter *f, struct ly_json from)
{
    char text[LY__AUDIT_FROM_MAX + 1], plain[LY__AUDIT_FROM_MAX + 8];
    struct ly_address address;
    if (ly_json_string(from, text, sizeof text) < 0)
        return false;
    const char *rest = strstr(text, "://");
    if (f->prefix < 0)
        return rest && strcmp(rest + 3, f->from) == 0;
    snprintf(plain, sizeof plain, "tcp://%s", rest ? rest + 3 : text);
    return ly_address_parse(&address, plain) == 0 && ly_address_in_network(&address, &f->network, f->prefix);
}

static bool is_from(const struct ly__audit_filter *f, const struct ly__audit_view *v)
{
    return !f->from || is(v->from, f->from) || (v->device.length > 0 && is(v->device, f->from)) ||
           is_there(f, v->from);
}

/* Errors of the library may be named without their "LY_". */
static bool is_result(const char *asked, struct ly_json value)
{
    char name[LY__AUDIT_WHAT_MAX + 1] = "";
    if (!asked)
        return true;
    (void)ly_json_string(value, name, sizeof name);
    if (strcasecmp(asked, "error") == 0)
        return strcmp(name, "ok") != 0 && strcmp(name, "begun") != 0;
    return strcasecmp(asked, name) == 0 || (strncmp(name, "LY_", 3) == 0 && strcasecmp(asked, name + 3) == 0);
}

bool ly__audit_filter_passes(const struct ly__audit_filter *f, const struct ly__audit_view *v)
{
    return v->time_us >= f->since && v->time_us < f->until && is(v->who, f->user) && is(v->what, f->what) &&
           is_result(f->result, v->result) && is_from(f, v);
}
