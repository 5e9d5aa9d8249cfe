/* SPDX-License-Identifier: MIT */
/* The text of remembered machines, without a file. */
#include "auth/known.h"
#include <lanyard/error.h>
#include <stdbool.h>
#include <string.h>

struct span {
    const char *at;
    size_t n;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line, which is taken off; of no bytes at its end. */
static struct span take_word(struct span *line)
{
    while (line->n > 0 && is_blank(*line->at)) {
        line->at++;
        line->n--;
    }
    struct span word = {line->at, 0};
    while (line->n > 0 && !is_blank(*line->at)) {
        line->at++;
        line->n--;
        word.n++;
    }
    return word;
}

/* Whether a line is a host's. */
static bool read_line(struct span line, struct ly__known_host *ret_host)
{
    struct ly__peer peer;
    struct span name = take_word(&line), id = take_word(&line), next = take_word(&line);
    if (name.n == 0 || *name.at == '#' || ly__peer_parse(&peer, name.at, name.n) < 0 || *peer.user ||
        *peer.id)
        return false;
    *ret_host = (struct ly__known_host){.id = ""};
    memcpy(ret_host->name, peer.name, sizeof peer.name);
    (void)ly__id_parse(ret_host->id, id.at, id.n);
    (void)ly__id_parse(ret_host->next, next.at, next.n);
    return true;
}

static struct span take_line(const char *text, size_t n, size_t *at)
{
    const char *begin = text + *at, *end = memchr(begin, '\n', n - *at);
    struct span line = {begin, end ? (size_t)(end - begin) : n - *at};
    *at += line.n + (end ? 1 : 0);
    return line;
}

int ly__known_next(const char *text, size_t n, size_t *at, struct ly__known_host *ret_host, size_t *ret_begin)
{
    while (*at < n) {
        size_t begin = *at;
        if (!read_line(take_line(text, n, at), ret_host))
            continue;
        if (ret_begin)
            *ret_begin = begin;
        return 1;
    }
    return 0;
}

static int put_host(struct ly_buffer *out, const struct ly__known_host *host)
{
    return ly_buffer_printf(out, "%s %s%s%s\n", host->name, host->id, *host->next ? " " : "", host->next);
}

/* What stands between two lines that are replaced, or behind the last. */
static int keep(struct ly_buffer *out, const char *text, size_t from, size_t to)
{
    return to > from ? ly_buffer_append(out, text + from, to - from) : 0;
}

int ly__known_edit(const char *text, size_t n, const struct ly__known_host *host, struct ly_buffer *out)
{
    struct ly__known_host h;
    size_t at = 0, begin = 0, kept = 0;
    int found = 0, r = 0;
    while (r == 0 && ly__known_next(text, n, &at, &h, &begin)) {
        if (strcmp(h.name, host->name) != 0)
            continue;
        r = keep(out, text, kept, begin);
        if (r == 0 && *host->id && !found)
            r = put_host(out, host);
        kept = at;
        found++;
    }
    if (r == 0)
        r = keep(out, text, kept, n);
    if (r == 0 && n > kept && text[n - 1] != '\n')
        r = ly_buffer_append(out, "\n", 1);
    if (r == 0 && *host->id && !found)
        r = put_host(out, host);
    return r < 0 ? r : found;
}
