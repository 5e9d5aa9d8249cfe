/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"
#include "base/escape.h"
#include "daemon/config_tell.h"
#include "daemon/nearest.h"
#include <errno.h>
#include <lanyard/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_FILE "CONFIG" /* LANYARD_SERVE_CONFIG is the option --config */
#define NAME_MAX_LENGTH 64

/* ---- telling ---- */

void ly__config_tell(const struct ly__config_sink *sink, const char *where, const char *format, ...)
{
    char text[1024], escaped[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0)
        return;
    ly__escape(escaped, sizeof escaped, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    sink->tell(sink->arg, where, escaped);
}

/* ---- one value ---- */

static bool has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    }
    return false;
}

static bool is_good(const struct ly__config_key *key, const char *text, enum ly__config_origin from)
{
    static struct ly__serve_options scratch; /* a large one, for one thread */
    scratch = (struct ly__serve_options){.listens = 0};
    if (key->set(&scratch, text) < 0)
        return false;
    return from == LY__FROM_OPTION || (!has_control(text) && (!key->fits || key->fits(text)));
}

/* A value of a stronger origin stays, but a mistake is one all the same. */
static int add(struct ly__config *c, size_t key, const char *text, enum ly__config_origin from, unsigned line)
{
    const struct ly__config_key *k = &ly__config_keys[key];
    struct ly__config_value *v = &c->values[key];
    if (!is_good(k, text, from))
        return LY_EFIELD;
    if (v->from > from)
        return 0;
    if (v->from < from)
        v->n = 0;
    if (v->n > 0 && k->most == 1 && from == LY__FROM_FILE)
        return -EEXIST;
    if (v->n == k->most && k->most > 1)
        return LY_ETOOBIG;
    v->from = from;
    v->n = k->most == 1 ? 1 : v->n + 1;
    v->texts[v->n - 1] = text;
    v->lines[v->n - 1] = line;
    return 0;
}

int ly__config_give(struct ly__config *c, size_t key, const char *text)
{
    return add(c, key, text, LY__FROM_OPTION, 0);
}

int ly__config_add(struct ly__config *c, size_t key, const char *text, enum ly__config_origin from,
                   unsigned line, const char *where, const struct ly__config_sink *sink)
{
    const struct ly__config_key *k = &ly__config_keys[key];
    int r = add(c, key, text, from, line);
    if (r == LY_ETOOBIG)
        ly__config_tell(sink, where, "%s can be given %u times", k->name, k->most);
    else if (r == -EEXIST)
        ly__config_tell(sink, where, "%s has a value already, in line %u", k->name, c->values[key].lines[0]);
    else if (r < 0)
        ly__config_tell(sink, where, "%s is %s, not '%s'", k->name, k->expected, text);
    return r < 0 ? LY_EFIELD : 0;
}

/* ---- the environment ---- */

/* "MAX_COMMANDS" is the variable of "max-commands", and the other way round. */
static void turn(char *out, const char *name, size_t n, bool to_variable)
{
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        if (to_variable)
            out[i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        else
            out[i] = (char)(c == '_' ? '-' : c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : '?');
    }
    out[n] = 0;
}

static void refuse_variable(const char *where, const char *name, const struct ly__config_sink *sink)
{
    char names[LY__CONFIG_KEYS][NAME_MAX_LENGTH];
    struct ly__nearest nearest;
    ly__nearest_init(&nearest, name, strlen(name));
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        turn(names[i], ly__config_keys[i].name, strlen(ly__config_keys[i].name), true);
        ly__nearest_try(&nearest, names[i]);
    }
    if (nearest.name)
        ly__config_tell(sink, where, "there is no such variable; did you mean " LY__CONFIG_VARIABLE "%s?",
                        nearest.name);
    else
        ly__config_tell(sink, where, "there is no such variable");
}

/* Blanks part the values of a key that has several. */
static int add_values(struct ly__config *c, size_t key, const char *where, char *text,
                      const struct ly__config_sink *sink)
{
    int r = 0;
    if (ly__config_keys[key].most == 1)
        return ly__config_add(c, key, text, LY__FROM_ENVIRONMENT, 0, where, sink);
    for (char *rest = text, *word; (word = strsep(&rest, " \t"));) {
        if (*word && ly__config_add(c, key, word, LY__FROM_ENVIRONMENT, 0, where, sink) < 0)
            r = LY_EFIELD;
    }
    return r;
}

/* One variable, "NAME=VALUE" behind LANYARD_SERVE_. An empty one is none. */
static int add_variable(struct ly__config *c, char *variable, const struct ly__config_sink *sink)
{
    char where[NAME_MAX_LENGTH + sizeof LY__CONFIG_VARIABLE], name[NAME_MAX_LENGTH];
    size_t n = strcspn(variable, "=");
    if (!variable[n] || !variable[n + 1])
        return 0;
    char *value = variable + n + 1;
    if (n == strlen(NAMES_FILE) && memcmp(variable, NAMES_FILE, n) == 0) {
        c->named = c->named ? c->named : value;
        return 0;
    }
    size_t known = n < sizeof name ? n : sizeof name - 1;
    snprintf(where, sizeof where, LY__CONFIG_VARIABLE "%.*s", (int)known, variable);
    turn(name, variable, known, false);
    size_t key = ly__config_find(name, known);
    if (key < LY__CONFIG_KEYS)
        return add_values(c, key, where, value, sink);
    refuse_variable(where, where + strlen(LY__CONFIG_VARIABLE), sink);
    return LY_EFIELD;
}

/* The values are cut where they are several, so they are read from a copy. */
static int read_environment(struct ly__config *c, const struct ly__config_sink *sink)
{
    size_t n = strlen(LY__CONFIG_VARIABLE), length = 1;
    int r = 0;
    for (char **e = environ; e && *e; e++)
        length += strncmp(*e, LY__CONFIG_VARIABLE, n) == 0 ? strlen(*e + n) + 1 : 0;
    char *at = c->environment = malloc(length);
    if (!at) {
        ly__config_tell(sink, "environment", "%s", ly_error_text(-ENOMEM));
        return -ENOMEM;
    }
    for (char **e = environ; e && *e; e++) {
        if (strncmp(*e, LY__CONFIG_VARIABLE, n) != 0)
            continue;
        char *variable = at;
        at = stpcpy(at, *e + n) + 1;
        if (add_variable(c, variable, sink) < 0)
            r = LY_EFIELD;
    }
    return r;
}

/* ---- the whole ---- */

static void take_given(struct ly__config *c, const struct ly__config *of)
{
    c->named = of->named;
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        if (of->values[i].from == LY__FROM_OPTION)
            c->values[i] = of->values[i];
        else
            c->values[i].from = LY__FROM_DEFAULT;
    }
}

int ly__config_load(struct ly__config *c, const struct ly__config *of, const struct ly__config_sink *sink)
{
    if (c != of) {
        *c = (struct ly__config){.named = NULL};
        take_given(c, of);
    }
    int of_environment = read_environment(c, sink);
    int of_file = ly__config_read(c, sink);
    return of_environment < 0 ? of_environment : of_file;
}

void ly__config_done(struct ly__config *c)
{
    free(c->text);
    free(c->environment);
    c->text = c->environment = NULL;
}

/* The nth value that counts; NULL: there are no more. */
static const char *nth(const struct ly__config *c, size_t key, unsigned n)
{
    const struct ly__config_value *v = &c->values[key];
    return n < v->n ? v->texts[n] : n == 0 ? ly__config_keys[key].fallback : NULL;
}

void ly__config_apply(const struct ly__config *c, struct ly__serve_options *o)
{
    *o = (struct ly__serve_options){.log = {.fd = STDERR_FILENO}};
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        const char *text;
        for (unsigned n = 0; (text = nth(c, i, n)); n++)
            (void)ly__config_keys[i].set(o, text);
    }
}

bool ly__config_same(const struct ly__config *a, const struct ly__config *b, size_t key)
{
    for (unsigned i = 0; i < LY__CONFIG_VALUES; i++) {
        const char *x = nth(a, key, i), *y = nth(b, key, i);
        if (!x || !y)
            return x == y;
        if (strcmp(x, y) != 0)
            return false;
    }
    return true;
}
