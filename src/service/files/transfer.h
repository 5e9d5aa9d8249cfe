/* SPDX-License-Identifier: MIT */
/*
 * The stream of entries, both ways: the server's get and the client's put send, the server's put and the
 * client's get receive. Source: docs/protocol.md, 5.3; how it works: docs/internals/files.md.
 */
#ifndef LY_SERVICE_TRANSFER_H
#define LY_SERVICE_TRANSFER_H

#include "service/files/entry.h"
#include "service/files/known.h"
#include "service/files/spot.h"

#include <lanyard/buffer.h>
#include <lanyard/frame.h>
#include <lanyard/stream.h>
#include <stdbool.h>
#include <stdint.h>

#define LY__TRANSFER_SMALL 65536        /* files up to this are sent with their hash in front */
#define LY__TRANSFER_CHUNK (1024 << 10) /* bytes of a large file received, hashed and written at a time */

struct ly__transfer_counts {
    int64_t files;  /* transferred whole */
    int64_t bytes;  /* of their bodies */
    int64_t failed; /* entries that were not */
    int error;      /* of the first of them, in sending; 0: none */
    int64_t same;   /* files that the receiver has already */
    int64_t others; /* entries that are no file, directory or link, left out */
};

/* ---- sending ---- */

struct ly__send_hooks {
    /*
     * An entry could not be read. path: as sent. The server says so in the stream, the client to its user.
     * NULL: an error frame is put into the stream in its place.
     */
    void (*failed)(void *arg, int error, const char *path);
    /*
     * Where to begin a large file of size bytes: *offset bytes (0: at the beginning) that the receiver has,
     * and their hash. It is checked here; where the file's beginning differs, the file is sent whole. Returns
     * 0 or an error that ends the transfer. NULL: always at the beginning.
     */
    int (*resume)(void *arg, const char *path, int64_t size, int64_t *offset, char hash[LY__HASH_TEXT]);
    /*
     * What the receiver has of the directory at path, so that files it has already are left out: entries are
     * added to known. Asked of the start, and of each directory below that the receiver has. Returns 0 or an
     * error that ends the transfer. NULL: nothing is left out.
     */
    int (*list)(void *arg, const char *path, struct ly__known *known);
    /* An entry is left out: a device, a socket, a pipe. NULL: the stream says so. */
    void (*other)(void *arg, const char *path);
    /* Bytes of bodies went out: of the file at path, or of several small ones. NULL: not told. */
    void (*progress)(void *arg, const char *path, int64_t bytes);
};

struct ly__send;

/* Make a sender into a stream, of entries with this id. hooks, arg: borrowed. Returns 0 or -ENOMEM. */
int ly__send_new(struct ly__send **ret_send, struct ly_stream *stream, int64_t id,
                 const struct ly__send_hooks *hooks, void *arg);
void ly__send_free(struct ly__send *s);

/* Where the receiver puts the next entry: a directory there is left out, and told as LY_EITSELF. */
void ly__send_avoid(struct ly__send *s, const struct ly__spot *spot);

/*
 * Send what is at dir/name ("." for dir itself) as the path `as`, with its content if it is a directory and
 * recursive. Partial files are left out of directories.
 *
 * Returns 0, also where entries failed (see the counts); -EISDIR: a directory without recursive, nothing was
 * sent; else the connection is lost or useless. Suspends; file work runs on the offload pool.
 */
int ly__send_entry(struct ly__send *s, int dir, const char *name, const char *as, bool recursive);

const struct ly__transfer_counts *ly__send_counts(const struct ly__send *s);

/* ---- receiving ---- */

struct ly__receive_hooks {
    /* An entry failed, here or at the sender. path: as sent; text: the sender's words, or NULL. Returns 0, or
     * an error that ends the transfer. */
    int (*failed)(void *arg, int error, const char *text, const char *path);
    /* The sender left out an entry that is no file, directory or link. NULL: not told. */
    void (*other)(void *arg, const char *path);
    /* An entry comes. path: as sent. Called by one task at a time, on any thread. NULL: not told. */
    void (*entry)(void *arg, const char *path);
    /* As in sending; path is "" for several small files. NULL: not told. */
    void (*progress)(void *arg, const char *path, int64_t bytes);
};

struct ly__receive_options {
    int dir;            /* the destination's parent, held by the caller */
    const char *name;   /* the destination's name there; "." for dir itself */
    const char *prefix; /* path, clean, that the sender's first entry has and all others begin with; copied */
    int64_t id;         /* that every frame must have */
    int64_t piece;      /* most bytes of a large file between two calls of progress; 0: as it goes best */
    const struct ly__receive_hooks *hooks; /* borrowed */
    void *arg;
};

struct ly__receive;

/* Make a receiver from a stream (read_size at least LY__SESSION_READ). Returns 0 or -ENOMEM. */
int ly__receive_new(struct ly__receive **ret_receive, struct ly_stream *stream,
                    const struct ly__receive_options *options);

/* Free it; what is unfinished is dropped or kept for resuming. Directories get no times any more. */
void ly__receive_free(struct ly__receive *r);

/*
 * Receive entries up to the first frame that is neither an entry nor an error with a path: the end, an
 * answer, an error without path. It is received as ly_frame_recv does, and directories have their modes and
 * times. Returns 1 and the frame; 0 or LY_EEOF where the connection ended; LY_EFRAME (the stream breaks the
 * protocol), or an error of ly_frame_recv or the hook. Suspends; file work runs on the offload pool.
 */
int ly__receive_run(struct ly__receive *r, struct ly_frame *ret_frame);

const struct ly__transfer_counts *ly__receive_counts(const struct ly__receive *r);

#endif
