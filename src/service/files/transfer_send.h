/* SPDX-License-Identifier: MIT */
/* The sender of transfer.h, as its files share it. Reading order: transfer_send_fill.c,
 * transfer_send_large.c, transfer_send.c. */
#ifndef LY_SERVICE_TRANSFER_SEND_H
#define LY_SERVICE_TRANSFER_SEND_H

#include "service/files/transfer.h"
#include "service/files/tree.h"

#define LY__SEND_BATCH (192u << 10)     /* bytes of frames after which a batch goes out */
#define LY__SEND_BATCH_MAX (512u << 10) /* and the most it may be: one more small file and its header */
#define LY__SEND_PIECE (128u << 10)     /* bytes hashed at a time */

/* Why a batch is left: the walk is over, the batch is full, a large file or a question comes next. */
enum ly__fill { LY__FILL_END, LY__FILL_MORE, LY__FILL_LARGE, LY__FILL_LIST };

/* The large file whose turn it is. */
struct ly__outgoing {
    int fd;               /* -1: none */
    struct stat st;       /* as it was opened */
    struct ly__hash hash; /* up to hashed */
    int64_t hashed;       /* bytes of the file that are in hash */
    int64_t goal;         /* hash_range: up to where */
    size_t held;          /* bytes up to hashed that are in scratch, if they are wanted: see send_held */
    bool may_wait;        /* hash_range runs on the pool */
};

/* A directory of the walk, as the receiver has it. */
struct ly__level {
    struct ly__known known;
    bool there; /* it has it: known tells what is in it */
};

struct ly__send {
    struct ly_stream *stream;
    int64_t id;
    const struct ly__send_hooks *hooks;
    void *arg;
    struct ly__transfer_counts counts;
    struct ly_buffer batch; /* finished frames */
    struct ly_buffer head;  /* the frame in hand */
    int64_t batched;        /* bytes of bodies in the batch */
    int fatal;              /* the batch could not take a frame */
    struct ly__tree tree;   /* while walking */
    bool walking;
    struct ly__level *levels; /* hooks->list: of the directories from the start to the walk's, by depth */
    size_t nlevels, room;     /* in use, allocated */
    struct ly__outgoing large;
    struct ly__spot avoid;           /* where the receiver puts what is sent */
    size_t prefix;                   /* bytes of path that are the start's */
    char path[2 * LY__PATH_MAX + 2]; /* of the entry in hand, as sent */
    char scratch[LY__SEND_PIECE];    /* a small file, or a piece of a large one */
};

/* ---- transfer_send_fill.c ---- */

/* Begin the frame in hand, s->head. Returns 0, LY_ETOOBIG or -ENOMEM. */
int ly__send_begin(struct ly__send *s);

void ly__send_count_failed(struct ly__send *s, int error);

/* The entry in hand cannot be sent: count it, and tell the hook or put an error frame into the batch. */
void ly__send_fail(struct ly__send *s, int error);

/* Make the batch of the first entry, at dir/name; a directory begins the walk. Returns LY__FILL_LARGE,
 * LY__FILL_LIST, 0 for neither, or why the entry cannot be sent: -EISDIR for a directory without recursive.
 * Suspends. */
int ly__send_fill_first(struct ly__send *s, int dir, const char *name, bool recursive);

/* Make the next batch of the walk. Returns an ly__fill, or an error of ly_offload. Suspends. */
int ly__send_fill(struct ly__send *s);

/* Ask what the receiver has of the directory entered last: LY__FILL_LIST. Returns what the hook does. */
int ly__send_list_level(struct ly__send *s);

/* Forget what the receiver has of the directories below the first keep of the walk's. */
void ly__send_drop_levels(struct ly__send *s, size_t keep);

/* ---- transfer_send_large.c ---- */

/* Send s->large: LY__FILL_LARGE. Returns 0, also where the file failed, or an error that ends the transfer.
 * Suspends. */
int ly__send_large(struct ly__send *s);

#endif
