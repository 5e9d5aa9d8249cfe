/* SPDX-License-Identifier: MIT */
/*
 * What a request is about, in a line for the trail: words, quoted as a shell would need them, so that the
 * line tells which there were. It is a stranger's text: whoever shows it escapes it.
 */
#include "service/service.h"
#include <stdio.h>
#include <string.h>

struct text {
    char *at;
    size_t left; /* with the room of "..." and the zero byte at the end */
    bool cut;
};

#define CUT "..."

static void append(struct text *t, const char *bytes, size_t n)
{
    if (n > t->left) {
        n = t->left;
        t->cut = true;
    }
    memcpy(t->at, bytes, n);
    t->at += n;
    t->left -= n;
}

static void separate(struct text *t)
{
    if (t->left > 0 && !t->cut) {
        *t->at++ = ' ';
        t->left--;
    }
}

static void add_quoted(struct text *t, const char *word)
{
    append(t, "'", 1);
    for (; *word && !t->cut; word++) {
        if (*word == '\'')
            append(t, "'\\''", 4);
        else
            append(t, word, 1);
    }
    append(t, "'", 1);
}

static void add_word(struct text *t, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    size_t n = strspn(word, plain);
    if (n > 0 && !word[n])
        append(t, word, n);
    else
        add_quoted(t, word);
}

/* A text too long to be kept is kept as it was written: its escapes say what it is as well. */
static void add(struct text *t, struct ly_json value)
{
    char decoded[2 * LY__DEED_OBJECT];
    ssize_t n = ly_json_string(value, decoded, sizeof decoded);
    if (t->cut)
        return;
    if (n >= 0) {
        add_word(t, decoded);
    } else if (n == LY_ETOOBIG) {
        append(t, "'", 1);
        append(t, value.text + 1, value.length - 1);
    }
}

static void add_list(struct text *t, struct ly_json list)
{
    struct ly_json value;
    size_t it = 0;
    for (bool first = true; !t->cut && ly_json_next(list, &it, NULL, &value); first = false) {
        if (!first)
            separate(t);
        add(t, value);
    }
}

void ly__deed_add_name(struct ly__deed_names *names, const char *directory, const char *name)
{
    char path[2 * LY__DEED_OBJECT]; /* what does not fit here does not fit there either */
    if (!names || names->cut)
        return;
    struct text t = {.at = names->text + names->length,
                     .left = sizeof names->text - sizeof CUT - names->length};
    if (names->length > 0)
        separate(&t);
    snprintf(path, sizeof path, "%s%s%s", directory, *directory ? "/" : "", name);
    add_word(&t, path);
    names->cut = t.cut;
    names->length = (size_t)(t.at - names->text);
    memcpy(t.at, t.cut ? CUT : "", t.cut ? sizeof CUT : 1);
}

void ly__deed_object(char out[LY__DEED_OBJECT], struct ly_json header)
{
    static const char *const names[] = {"path", "from", "to", "shell"};
    static const char shell[] = "/bin/sh -c ";
    struct text t = {.at = out, .left = LY__DEED_OBJECT - sizeof CUT};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ly_json value = ly_json_get(header, names[i]);
        if (ly_json_type(value) != LY_JSON_STRING)
            continue;
        if (t.at > out)
            separate(&t);
        if (strcmp(names[i], "shell") == 0)
            append(&t, shell, sizeof shell - 1);
        add(&t, value);
    }
    if (ly_json_type(ly_json_get(header, "argv")) == LY_JSON_ARRAY)
        add_list(&t, ly_json_get(header, "argv"));
    if (t.cut) {
        memcpy(t.at, CUT, sizeof CUT - 1);
        t.at += sizeof CUT - 1;
    }
    *t.at = 0;
}
