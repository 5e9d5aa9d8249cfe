/* SPDX-License-Identifier: MIT */
/* A file of remembered machines: after a change its host has what was set, once, and every other host what it
 * had. */
#include "auth/known.h"
#include <lanyard/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ID "00000-00000-00000-00000-00000-00000-00000-00001"
#define NAME "db:1"
#define MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next host other than NAME. */
static bool next_other(const char *text, size_t n, size_t *at, struct ly__known_host *h)
{
    while (ly__known_next(text, n, at, h, NULL)) {
        if (strcmp(h->name, NAME) != 0)
            return true;
    }
    return false;
}

static void check_others(const char *a, size_t an, const char *b, size_t bn)
{
    struct ly__known_host h = {.id = ""}, g = {.id = ""};
    size_t at = 0, bt = 0;
    for (;;) {
        bool more = next_other(a, an, &at, &h);
        if (more != next_other(b, bn, &bt, &g))
            abort();
        if (!more)
            return;
        if (strcmp(h.name, g.name) != 0 || strcmp(h.id, g.id) != 0 || strcmp(h.next, g.next) != 0)
            abort();
    }
}

static int count_lines(const char *text, size_t n, const char *id)
{
    struct ly__known_host h;
    size_t at = 0;
    int count = 0;
    while (ly__known_next(text, n, &at, &h, NULL)) {
        if (strcmp(h.name, NAME) != 0)
            continue;
        if (strcmp(h.id, id) != 0)
            abort();
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ly__known_host host = {.name = NAME, .id = ID};
    struct ly_buffer changed, removed;
    char *text = malloc(size ? size : 1); /* of this size, so that a read behind it is seen */
    if (!text)
        abort();
    memcpy(text, data, size);
    ly_buffer_init(&changed, MAX);
    ly_buffer_init(&removed, MAX);
    if (ly__known_edit(text, size, &host, &changed) >= 0) {
        if (count_lines(ly_buffer_bytes(&changed), changed.length, ID) != 1)
            abort();
        check_others(text, size, ly_buffer_bytes(&changed), changed.length);
        host.id[0] = 0;
        if (ly__known_edit(ly_buffer_bytes(&changed), changed.length, &host, &removed) != 1)
            abort();
        if (count_lines(ly_buffer_bytes(&removed), removed.length, "") != 0)
            abort();
        check_others(text, size, ly_buffer_bytes(&removed), removed.length);
    }
    ly_buffer_done(&changed);
    ly_buffer_done(&removed);
    free(text);
    return 0;
}
