/* SPDX-License-Identifier: MIT */
/*
 * The fields of an exec request. All strings are decoded into one piece of memory of the header's size, since
 * the header's text is gone with the next read and no string is longer decoded than written.
 */
#include "service/exec_command.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 1024
#define VARIABLES_MAX 1024

struct reader {
    char *at;    /* where the next string goes */
    size_t left; /* room there */
};

/* Append a piece of text to what is at r->at, without ending it. Returns its length or an error. */
static ssize_t decode(struct reader *r, struct ly_json value)
{
    ssize_t n = ly_json_string(value, r->at, r->left);
    if (n < 0)
        return LY_EFIELD;
    r->at += n;
    r->left -= (size_t)n;
    return n;
}

static void put(struct reader *r, char c)
{
    *r->at++ = c;
    r->left--;
}

/* Decode a whole string; NULL if it is none. */
static const char *take(struct reader *r, struct ly_json value)
{
    const char *start = r->at;
    if (decode(r, value) < 0)
        return NULL;
    put(r, 0);
    return start;
}

static size_t count(struct ly_json container)
{
    size_t n = 0, it = 0;
    while (ly_json_next(container, &it, NULL, NULL))
        n++;
    return n;
}

static bool is_given(struct ly_json value)
{
    return ly_json_type(value) != LY_JSON_NONE;
}

/* ---- argv, shell ---- */

static int read_argv(struct ly__command *c, struct reader *r, struct ly_json argv)
{
    struct ly_json value;
    size_t it = 0, n = 0;
    if (ly_json_type(argv) != LY_JSON_ARRAY || count(argv) == 0)
        return LY_EFIELD;
    if (count(argv) > ARGUMENTS_MAX)
        return LY_ETOOBIG;
    c->argv = calloc(count(argv) + 1, sizeof *c->argv);
    if (!c->argv)
        return -ENOMEM;
    while (ly_json_next(argv, &it, NULL, &value)) {
        c->argv[n] = take(r, value);
        if (!c->argv[n++])
            return LY_EFIELD;
    }
    return c->argv[0] && *c->argv[0] ? 0 : LY_EFIELD;
}

static int read_shell(struct ly__command *c, struct reader *r, struct ly_json line)
{
    c->argv = calloc(4, sizeof *c->argv);
    if (!c->argv)
        return -ENOMEM;
    c->argv[0] = "/bin/sh";
    c->argv[1] = "-c";
    c->argv[2] = take(r, line);
    return c->argv[2] ? 0 : LY_EFIELD;
}

static int read_program(struct ly__command *c, struct reader *r, struct ly_json header)
{
    struct ly_json argv = ly_json_get(header, "argv"), line = ly_json_get(header, "shell");
    if (is_given(argv) == is_given(line))
        return LY_EFIELD;
    return is_given(argv) ? read_argv(c, r, argv) : read_shell(c, r, line);
}

/* ---- env ---- */

/* "NAME=value" in one piece; NULL if the name or the value will not do. */
static const char *take_variable(struct reader *r, struct ly_json name, struct ly_json value)
{
    const char *start = r->at;
    if (decode(r, name) <= 0)
        return NULL;
    if (memchr(start, '=', (size_t)(r->at - start)))
        return NULL;
    put(r, '=');
    return take(r, value);
}

static bool is_named(const char *variable, const char *other)
{
    size_t n = strcspn(other, "=");
    return strncmp(variable, other, n + 1) == 0;
}

static bool holds(const char *const *env, const char *variable)
{
    for (; *env; env++) {
        if (is_named(*env, variable))
            return true;
    }
    return false;
}

static int read_env(struct ly__command *c, struct reader *r, struct ly_json env, const char *const *base)
{
    struct ly_json name, value;
    size_t it = 0, n = 0, bases = 0;
    if (is_given(env) && ly_json_type(env) != LY_JSON_OBJECT)
        return LY_EFIELD;
    if (count(env) > VARIABLES_MAX)
        return LY_ETOOBIG; /* they are compared with each other */
    while (base[bases])
        bases++;
    c->env = calloc(count(env) + bases + 1, sizeof *c->env);
    if (!c->env)
        return -ENOMEM;
    while (ly_json_next(env, &it, &name, &value)) {
        const char *start = r->at;
        if (!take_variable(r, name, value))
            return LY_EFIELD;
        c->env[n++] = start;
    }
    for (; *base; base++) {
        if (!holds(c->env, *base))
            c->env[n++] = *base;
    }
    return 0;
}

/* ---- the rest ---- */

static int read_options(struct ly__command *c, struct reader *r, struct ly_json header)
{
    struct ly_json cwd = ly_json_get(header, "cwd"), input = ly_json_get(header, "stdin"),
                   timeout = ly_json_get(header, "timeout_ms");
    if (is_given(cwd)) {
        c->cwd = take(r, cwd);
        if (!c->cwd)
            return LY_EFIELD;
    }
    if (is_given(input) && ly_json_bool(input, &c->input) < 0)
        return LY_EFIELD;
    if (is_given(timeout) && (ly_json_int(timeout, &c->timeout_ms) < 0 || c->timeout_ms <= 0))
        return LY_EFIELD;
    return 0;
}

int ly__command_read(struct ly__command *c, struct ly_json header, const struct ly__service *service)
{
    *c = (struct ly__command){.timeout_ms = LY_FOREVER};
    c->text = malloc(header.length);
    if (!c->text)
        return -ENOMEM;
    struct reader r = {.at = c->text, .left = header.length};
    int e = read_program(c, &r, header);
    if (e == 0)
        e = read_env(c, &r, ly_json_get(header, "env"), service->env);
    return e < 0 ? e : read_options(c, &r, header);
}

void ly__command_done(struct ly__command *c)
{
    free(c->argv);
    free(c->env);
    free(c->text);
    *c = (struct ly__command){0};
}
