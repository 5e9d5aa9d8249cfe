/* SPDX-License-Identifier: MIT */
/* The receiver of transfer.h, as its files share it. Reading order: transfer_recv_tell.c,
 * transfer_recv_take.c, transfer_recv_large.c, transfer_recv.c. */
#ifndef LY_SERVICE_TRANSFER_RECV_H
#define LY_SERVICE_TRANSFER_RECV_H

#include "service/files/partial.h"
#include "service/files/place_dirs.h"
#include "service/files/transfer.h"

#define LY__RECEIVE_NOTES (256u << 10) /* bytes of failures noted in one call on the pool */

/* A large file on its way. */
struct ly__incoming {
    struct ly__partial partial; /* fd -1: not being written */
    struct ly__hash hash;       /* of the file up to offset */
    int64_t offset;             /* where the next piece goes */
    int64_t left;               /* bytes of body still to come */
    size_t filled;              /* bytes in chunk */
    int error;                  /* why it is only read and dropped; 0: it is written */
    bool trailer;               /* one must follow */
};

struct ly__receive {
    struct ly_stream *stream;
    struct ly__receive_options options;
    struct ly__transfer_counts counts;
    struct ly__dirs dirs;
    struct ly_buffer failures; /* noted on the pool, told by the fiber: int (0: no failure, an entry left
                                * out), then the path with its zero byte */
    struct ly_buffer prefix;   /* of all paths; see the options */
    int fatal;                 /* noted on the pool: the error that ends the transfer */
    size_t wanted; /* bytes to have buffered before take_buffered is worth another call; 0: the frame in
                    * front is not for it */
    int silent;    /* time-outs of the socket since the last byte */
    int64_t small; /* bytes of small bodies taken in this call */
    size_t piece;  /* of a large file, received, hashed and written at a time */
    int64_t until; /* of ly__partial_await */
    struct ly__incoming in;
    char *chunk;                     /* LY__TRANSFER_CHUNK bytes, once a large file came */
    const char *name;                /* of the entry in hand, in its directory */
    struct ly__entry entry;          /* the entry in hand */
    char path[LY__PATH_MAX + 1];     /* its path below the destination, clean */
    char told[2 * LY__PATH_MAX + 2]; /* a path as the sender has it, put together */
};

/* ---- transfer_recv_tell.c ---- */

/* On the pool: the entry at path, as sent, has failed; error 0: it was left out by the sender. */
void ly__receive_note(struct ly__receive *r, int error, const char *path);

/* Tell the hook what was noted. Returns 0, r->fatal or what the hook does. */
int ly__receive_tell_noted(struct ly__receive *r);

/* Count and tell one failure. text: the sender's words, or NULL. Returns what the hook does. */
int ly__receive_tell_failure(struct ly__receive *r, int error, const char *text, const char *path);

/* The entry in hand comes. */
void ly__receive_tell_entry(const struct ly__receive *r);

/* n bytes of bodies came: of the file at path, or "" for several small ones. */
void ly__receive_progress(const struct ly__receive *r, const char *path, int64_t n);

/* ---- transfer_recv_take.c ---- */

/* Take everything that is buffered whole and is not for the fiber; r->wanted says what for next. Returns 0,
 * or an error of ly_offload. Suspends. */
int ly__receive_take(struct ly__receive *r);

/* The directory of the entry in hand, borrowed until the next call; its name there is then in r->name.
 * Returns it or why the entry cannot lie there. */
int ly__receive_find(struct ly__receive *r);

/* The mode to open a new file with, and whether it must be set again because the umask takes bits away. */
bool ly__receive_mode(const struct ly__entry *e, mode_t *ret);

/* ---- transfer_recv_large.c ---- */

/* Receive the body of the large file in hand. error: why it cannot be written, known from its frame; or 0.
 * Returns 0, also where the file failed, or an error that ends the transfer. Suspends. */
int ly__receive_large(struct ly__receive *r, int error);

/* Close the large file in hand, if there is one; what came of it is kept for resuming if it is worth it. */
void ly__receive_large_done(struct ly__receive *r);

#endif
