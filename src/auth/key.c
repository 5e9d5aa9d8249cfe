/* SPDX-License-Identifier: MIT */
/*
 * The key's file. It is looked for without the lock, which every start but the first then has no need of; who
 * finds none takes the lock and looks again before making one.
 */
#include "auth/key.h"
#include "auth/key_pair.h"
#include "auth/state.h"
#include <errno.h>
#include <lanyard/error.h>
#include <openssl/crypto.h>
#include <string.h>

#define FILE_MAX 8192 /* a key on P-256 takes 241 bytes; people add remarks */

void ly__key_wipe(struct ly_buffer *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->capacity);
    ly_buffer_done(b);
}

static int load(struct ly__key *key, const struct ly__state *s, const char *file)
{
    struct ly_buffer pem;
    ly_buffer_init(&pem, FILE_MAX);
    int r = ly__state_read(s, file, LY__STATE_SECRET, &pem);
    if (r == 0)
        r = ly__pair_read(key, ly_buffer_bytes(&pem), pem.length);
    ly__key_wipe(&pem);
    return r == LY_ETOOBIG ? LY_EKEY : r;
}

static int make_file(struct ly__key *key, const struct ly__state *s, const char *file)
{
    struct ly_buffer pem;
    int r = ly__pair_make(key);
    if (r < 0)
        return r;
    ly_buffer_init(&pem, FILE_MAX);
    r = ly__key_private_pem(key, &pem);
    if (r == 0)
        r = ly__state_write(s, file, ly_buffer_bytes(&pem), pem.length, false);
    ly__key_wipe(&pem);
    if (r < 0)
        ly__key_close(key);
    return r;
}

static int open_locked(struct ly__key *key, const char *directory, const char *file)
{
    struct ly__state s;
    int r = ly__state_open(&s, directory, true);
    if (r < 0)
        return r;
    r = load(key, &s, file);
    if (r == -ENOENT)
        r = make_file(key, &s, file);
    ly__state_close(&s);
    return r;
}

int ly__key_open(struct ly__key *key, const char *directory, const char *file, bool make)
{
    struct ly__state s;
    *key = (struct ly__key){0};
    int r = ly__state_open(&s, directory, false);
    if (r < 0)
        return r;
    r = load(key, &s, file);
    ly__state_close(&s);
    return r == -ENOENT && make ? open_locked(key, directory, file) : r;
}

int ly__key_rotate(const char *directory)
{
    struct ly__key next = {0};
    struct ly__state s;
    int r = ly__state_open(&s, directory, true);
    if (r < 0)
        return r;
    r = load(&next, &s, LY__KEY_NEXT_FILE); /* one that cannot be loaded would end every later start */
    if (r == 0)
        r = ly__state_rename(&s, LY__KEY_NEXT_FILE, LY__KEY_FILE);
    ly__key_close(&next);
    ly__state_close(&s);
    return r;
}

/* ---- what has been announced ---- */

int ly__key_note_announced(const char *directory, const char *id)
{
    struct ly__state s;
    int r = ly__state_open(&s, directory, true);
    if (r < 0)
        return r;
    r = ly__state_write(&s, LY__KEY_ANNOUNCED_FILE, id, strlen(id), true);
    ly__state_close(&s);
    return r;
}

bool ly__key_is_announced(const char *directory, const char *id)
{
    struct ly__state s;
    struct ly_buffer text;
    if (ly__state_open(&s, directory, false) < 0)
        return false;
    ly_buffer_init(&text, FILE_MAX);
    bool is = ly__state_read(&s, LY__KEY_ANNOUNCED_FILE, 0, &text) == 0 && text.length == strlen(id) &&
              memcmp(ly_buffer_bytes(&text), id, text.length) == 0;
    ly_buffer_done(&text);
    ly__state_close(&s);
    return is;
}

const char *ly__key_text(int error)
{
    if (error == -EPERM)
        return "others may read this key, or own it; if nobody can have copied it, give it to its user with mode 600, "
               "else remove it, and another is made";
    if (error == LY_EKEY)
        return "it is damaged, or holds a key of another kind; put it back from a copy, or remove it, and another is made";
    return ly_error_text(error);
}
