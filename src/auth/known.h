/* SPDX-License-Identifier: MIT */
/*
 * The machines that a client remembers, in the file "known" of its state directory: a line for each,
 *
 *   HOST:PORT ID [NEXT-ID]
 *
 * NEXT-ID is what it has announced (announcement.h). Blank lines, comments (#) and lines of other forms are
 * kept as they are. Where several lines are of one host the first counts. A line of a host whose ID cannot be
 * read is a host with another key, not an unknown one.
 *
 * All of these wait for the disk; what changes the file waits for the directory's lock too.
 */
#ifndef LY_AUTH_KNOWN_H
#define LY_AUTH_KNOWN_H

#include "auth/announcement.h"
#include "auth/peer.h"
#include <lanyard/buffer.h>

#define LY__KNOWN_FILE "known"
#define LY__KNOWN_FILE_MAX ((size_t)1 << 20) /* bytes: some 14,000 hosts */

struct ly__known_host {
    char name[LY__PEER_NAME]; /* as in struct ly__peer */
    char id[LY__ID_TEXT];     /* "": it cannot be read */
    char next[LY__ID_TEXT];   /* "": none is announced */
};

enum ly__known_answer {
    LY__KNOWN_NOT = 0, /* the host is not remembered */
    LY__KNOWN_SAME,    /* with this identity */
    LY__KNOWN_NEXT,    /* with another, and this is the one it has announced */
    LY__KNOWN_CHANGED, /* with another */
};

/*
 * What is remembered of a host that has this identity now. ret_host, if not NULL, is filled unless the answer
 * is LY__KNOWN_NOT. Returns an enum ly__known_answer; -EPERM (others may write to the file); LY_ETOOBIG; an
 * error of reading it. A directory or file that is missing remembers nothing.
 */
int ly__known_find(const char *directory, const char *name, const char *id, struct ly__known_host *ret_host);

/* Remember a host with this identity, whatever was remembered before. Returns 0, LY_ETOOBIG (the file is
 * full), or an error of reading or writing it. */
int ly__known_remember(const char *directory, const char *name, const char *id);

/* Remember it so if this is the identity it has announced. Returns 0, LY_EPEER (it is not, or not any more),
 * or an error as above. */
int ly__known_promote(const char *directory, const char *name, const char *id);

/* Returns 0, -ENOENT (it was not remembered), or an error as above. */
int ly__known_forget(const char *directory, const char *name);

/*
 * A peer with this identity, which TLS has proved, announces its next key. Returns 1 (remembered), 0 (it was
 * before), -ENOENT (the host is not remembered with this identity), an error of ly__announcement_check, or
 * one as above.
 */
int ly__known_learn(const char *directory, const char *name, const uint8_t id[LY__ID],
                    const struct ly__announcement *a);

/* All lines, as they are in the file. fn returns 0 to go on. Returns what it returned, or an error as above.
 */
int ly__known_list(const char *directory, int (*fn)(void *arg, const struct ly__known_host *host), void *arg);

/* ---- the text ---- */

/*
 * The next host of a text of n bytes from *at on, which moves behind its line. Returns 1, or 0 (there is no
 * more). ret_begin (may be NULL) is where its line begins.
 */
int ly__known_next(const char *text, size_t n, size_t *at, struct ly__known_host *ret_host,
                   size_t *ret_begin);

/*
 * Write the text to out with a host's lines replaced by one: in the place of the first, or at the end.
 * Without an identity (id "") they are left out. Returns how many there were, or LY_ETOOBIG, -ENOMEM.
 */
int ly__known_edit(const char *text, size_t n, const struct ly__known_host *host, struct ly_buffer *out);

#endif
