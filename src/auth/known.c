/* SPDX-License-Identifier: MIT */
/* The file of remembered machines. */
#include "auth/known.h"
#include "auth/state.h"
#include <errno.h>
#include <lanyard/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The text; none where there is no file. */
static int read_text(const struct ly__state *s, struct ly_buffer *text)
{
    ly_buffer_init(text, LY__KNOWN_FILE_MAX);
    int r = ly__state_read(s, LY__KNOWN_FILE, LY__STATE_TRUSTED, text);
    return r == -ENOENT ? 0 : r;
}

/* The first line of a host. */
static bool find(const struct ly_buffer *text, const char *name, struct ly__known_host *ret_host)
{
    size_t at = 0;
    while (ly__known_next(ly_buffer_bytes(text), text->length, &at, ret_host, NULL)) {
        if (strcmp(ret_host->name, name) == 0)
            return true;
    }
    return false;
}

static int read_alone(const char *directory, struct ly_buffer *text)
{
    struct ly__state s;
    ly_buffer_init(text, LY__KNOWN_FILE_MAX);
    int r = ly__state_open(&s, directory, false);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = read_text(&s, text);
    ly__state_close(&s);
    return r;
}

int ly__known_find(const char *directory, const char *name, const char *id, struct ly__known_host *ret_host)
{
    struct ly__known_host h;
    struct ly_buffer text;
    int r = read_alone(directory, &text);
    bool found = r == 0 && find(&text, name, &h);
    ly_buffer_done(&text);
    if (!found)
        return r < 0 ? r : LY__KNOWN_NOT;
    if (ret_host)
        *ret_host = h;
    if (strcmp(h.id, id) == 0)
        return LY__KNOWN_SAME;
    return *h.id && strcmp(h.next, id) == 0 ? LY__KNOWN_NEXT : LY__KNOWN_CHANGED;
}

/* ---- changing it ---- */

/*
 * What a change does to a host's line: it gets what is remembered (the name alone if nothing is), and makes
 * it what is to be remembered; an id of "" forgets. A result other than 0 leaves the file alone.
 */
typedef int change_fn(struct ly__known_host *host, bool is_known, const struct ly__known_host *given);

static int write_text(const struct ly__state *s, const struct ly_buffer *text, const struct ly__known_host *h)
{
    struct ly_buffer out;
    ly_buffer_init(&out, LY__KNOWN_FILE_MAX);
    int r = ly__known_edit(ly_buffer_bytes(text), text->length, h, &out);
    if (r >= 0)
        r = ly__state_write(s, LY__KNOWN_FILE, out.length ? ly_buffer_bytes(&out) : "", out.length, true);
    ly_buffer_done(&out);
    return r;
}

/* given: the host's name, and what the change goes by. */
static int change(const char *directory, const struct ly__known_host *given, change_fn *fn)
{
    struct ly__known_host h;
    struct ly__state s;
    struct ly_buffer text;
    int r = ly__state_open(&s, directory, true);
    if (r < 0)
        return r;
    r = read_text(&s, &text);
    if (r == 0) {
        bool is_known = find(&text, given->name, &h);
        if (!is_known) {
            h = (struct ly__known_host){.id = ""};
            memcpy(h.name, given->name, sizeof h.name);
        }
        r = fn(&h, is_known, given);
    }
    if (r == 0)
        r = write_text(&s, &text, &h);
    ly_buffer_done(&text);
    ly__state_close(&s);
    return r;
}

static struct ly__known_host describe(const char *name, const char *id, const char *next)
{
    struct ly__known_host h;
    (void)snprintf(h.name, sizeof h.name, "%s", name);
    (void)snprintf(h.id, sizeof h.id, "%s", id);
    (void)snprintf(h.next, sizeof h.next, "%s", next);
    return h;
}

static int set_id(struct ly__known_host *host, bool is_known, const struct ly__known_host *given)
{
    (void)is_known;
    *host = *given;
    return 0;
}

int ly__known_remember(const char *directory, const char *name, const char *id)
{
    const struct ly__known_host given = describe(name, id, "");
    return change(directory, &given, set_id);
}

static int set_announced(struct ly__known_host *host, bool is_known, const struct ly__known_host *given)
{
    if (!is_known || !*host->id || strcmp(host->next, given->id) != 0)
        return LY_EPEER;
    return set_id(host, is_known, given);
}

int ly__known_promote(const char *directory, const char *name, const char *id)
{
    const struct ly__known_host given = describe(name, id, "");
    return change(directory, &given, set_announced);
}

static int drop(struct ly__known_host *host, bool is_known, const struct ly__known_host *given)
{
    (void)given;
    host->id[0] = 0;
    return is_known ? 0 : -ENOENT;
}

int ly__known_forget(const char *directory, const char *name)
{
    const struct ly__known_host given = describe(name, "", "");
    return change(directory, &given, drop);
}

static int set_next(struct ly__known_host *host, bool is_known, const struct ly__known_host *given)
{
    if (!is_known || strcmp(host->id, given->id) != 0)
        return -ENOENT;
    *host = *given;
    return 0;
}

/* Most connections bring nothing new, and neither write nor wait for the lock. */
int ly__known_learn(const char *directory, const char *name, const uint8_t id[LY__ID],
                    const struct ly__announcement *a)
{
    struct ly__known_host known, given;
    uint8_t next[LY__ID];
    char id_text[LY__ID_TEXT], next_text[LY__ID_TEXT];
    int r = ly__announcement_check(a, id, next);
    if (r < 0)
        return r;
    ly__id_format(id_text, id);
    ly__id_format(next_text, next);
    given = describe(name, id_text, next_text);
    r = ly__known_find(directory, name, given.id, &known);
    if (r != LY__KNOWN_SAME)
        return r < 0 ? r : -ENOENT;
    if (strcmp(known.next, given.next) == 0)
        return 0;
    r = change(directory, &given, set_next);
    return r < 0 ? r : 1;
}

int ly__known_list(const char *directory, int (*fn)(void *arg, const struct ly__known_host *host), void *arg)
{
    struct ly__known_host h;
    struct ly_buffer text;
    size_t at = 0;
    int r = read_alone(directory, &text);
    while (r == 0 && ly__known_next(ly_buffer_bytes(&text), text.length, &at, &h, NULL))
        r = fn(arg, &h);
    ly_buffer_done(&text);
    return r;
}
