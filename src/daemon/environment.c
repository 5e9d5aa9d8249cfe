/* SPDX-License-Identifier: MIT */
#include "daemon/environment.h"
#include "daemon/account.h"
#include <errno.h>
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

/* What the system knows of this user; asked only if the environment leaves something open. */
static const struct ly__account *look_up(struct ly__account *a)
{
    if (getenv("HOME") && getenv("USER") && getenv("LOGNAME") && getenv("SHELL"))
        return NULL;
    return ly__account_by_id(a, geteuid()) == 0 ? a : NULL;
}

int ly__environment_init(struct ly__environment *e)
{
    struct ly__account account;
    const struct ly__account *me = look_up(&account);
    const struct {
        const char *name, *otherwise;
    } rows[] = {
        {"HOME", me ? me->home : "/"},
        {"USER", me ? me->name : NULL},
        {"LOGNAME", me ? me->name : NULL},
        {"SHELL", me ? me->shell : "/bin/sh"},
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
