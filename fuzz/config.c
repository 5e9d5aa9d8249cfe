/* SPDX-License-Identifier: MIT */
/* A file of settings: each mistake is told once, with a line that the file has; what is taken is what is set,
 * and can be written down and read again. */
#include "daemon/config.h"
#include <lanyard/error.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "f"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    unsigned n;
    unsigned long last, lines;
};

static void tell(void *arg, const char *where, const char *what)
{
    struct told *t = arg;
    char *end = NULL;
    t->n++;
    for (const char *p = what; *p; p++) {
        if ((unsigned char)*p < ' ')
            abort();
    }
    if (strcmp(where, PATH) == 0)
        return;
    if (strncmp(where, PATH ":", strlen(PATH ":")) != 0)
        abort();
    unsigned long line = strtoul(where + strlen(PATH ":"), &end, 10);
    if (*end || line <= t->last || line > t->lines)
        abort();
    t->last = line;
}

static int parse(struct ly__config *c, char *text, size_t n, struct told *t)
{
    const struct ly__config_sink sink = {tell, t};
    *c = (struct ly__config){.path = PATH};
    *t = (struct told){.lines = 1};
    for (size_t i = 0; i < n; i++)
        t->lines += text[i] == '\n';
    return ly__config_parse(c, text, n, &sink);
}

/* All values as lines. Returns the bytes. */
static size_t print(const struct ly__config *c, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        for (unsigned v = 0; v < c->values[i].n; v++)
            n += (size_t)snprintf(out + n, cap - n, "%s = %s\n", ly__config_keys[i].name,
                                  c->values[i].texts[v]);
    }
    return n < cap ? n : (abort(), (size_t)0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ly__config c, again;
    static struct ly__serve_options o;
    static char text[8192], printed[65536];
    struct told told;
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    int r = parse(&c, text, size, &told);
    if ((r == 0) != (told.n == 0))
        abort();
    ly__config_apply(&c, &o);
    size_t n = print(&c, printed, sizeof printed);
    if (parse(&again, printed, n, &told) != 0)
        abort();
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        if (!ly__config_same(&c, &again, i))
            abort();
    }
    return 0;
}
