/* SPDX-License-Identifier: MIT */
#include "daemon/environment.h"
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int add(struct ly__environment *e, const char *name, const char *otherwise)
{
    size_t n = 0;
    const char *value = getenv(name);
    if (!value || !*value)
        value = otherwise;
    if (!value)
        return 0;
    while (e->list[n])
        n++;
    if (asprintf(&e->memory[n], "%s=%s", name, value) < 0) {
        e->memory[n] = NULL;
        return -ENOMEM;
    }
    e->list[n] = e->memory[n];
    return 0;
}

/* What the user database says; asked only if the environment leaves something open. */
static const struct passwd *look_up(void)
{
    if (getenv("HOME") && getenv("USER") && getenv("LOGNAME") && getenv("SHELL"))
        return NULL;
    return getpwuid(geteuid());
}

int ly__environment_init(struct ly__environment *e)
{
    const struct passwd *me = look_up();
    const struct {
        const char *name, *otherwise;
    } rows[] = {
        {"HOME", me ? me->pw_dir : "/"},
        {"USER", me ? me->pw_name : NULL},
        {"LOGNAME", me ? me->pw_name : NULL},
        {"SHELL", me && *me->pw_shell ? me->pw_shell : "/bin/sh"},
        {"PATH", PATH_DEFAULT},
        {"LANG", NULL},
        {"TZ", NULL},
    };
    *e = (struct ly__environment){0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int r = add(e, rows[i].name, rows[i].otherwise);
        if (r < 0)
            return r;
    }
    e->home = e->list[0] + strlen("HOME=");
    return 0;
}

void ly__environment_done(struct ly__environment *e)
{
    for (size_t i = 0; i < LY__ENVIRONMENT_MAX; i++)
        free(e->memory[i]);
    *e = (struct ly__environment){0};
}
