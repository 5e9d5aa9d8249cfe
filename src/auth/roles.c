/* SPDX-License-Identifier: MIT */
#include "auth/roles.h"
#include <lanyard/error.h>
#include <string.h>

static const char *const names[] = {"read", "write", "exec", "chat", "admin"};
#define ROLES (sizeof names / sizeof *names)

_Static_assert(LY__ROLES_ALL == (1u << ROLES) - 1, "a name for each role");
_Static_assert(sizeof "read,write,exec,chat,admin" <= LY__ROLES_TEXT, "the longest text fits");

const char *ly__role_name(unsigned i)
{
    return i < ROLES ? names[i] : NULL;
}

/* The bit of the n bytes of name at text; 0 if they are none. */
static unsigned find(const char *text, size_t n)
{
    for (unsigned i = 0; i < ROLES; i++) {
        if (strlen(names[i]) == n && memcmp(names[i], text, n) == 0)
            return 1u << i;
    }
    return 0;
}

int ly__roles_parse(const char *text, unsigned *ret_roles)
{
    unsigned roles = 0;
    if (strcmp(text, "none") == 0 || strcmp(text, "all") == 0) {
        *ret_roles = *text == 'a' ? LY__ROLES_ALL : 0;
        return 0;
    }
    for (;;) {
        size_t n = strcspn(text, ",");
        unsigned role = find(text, n);
        if (!role || (roles & role))
            return LY_EFIELD;
        roles |= role;
        if (!text[n])
            break;
        text += n + 1;
    }
    *ret_roles = roles;
    return 0;
}

void ly__roles_format(char out[LY__ROLES_TEXT], unsigned roles)
{
    char *end = out;
    for (unsigned i = 0; i < ROLES; i++) {
        if (!(roles & 1u << i))
            continue;
        if (end != out)
            *end++ = ',';
        end = stpcpy(end, names[i]);
    }
    if (end == out)
        end = stpcpy(end, "none");
    *end = '\0';
}
