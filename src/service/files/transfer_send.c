/* SPDX-License-Identifier: MIT */
/*
 * Sending a stream of entries.
 *
 * The work with files and the work with the connection are kept apart. The offload pool walks the tree and
 * appends frames, small files with their content, to a buffer until it is full (transfer_send_fill.c); the
 * fiber then writes the buffer out, here. So a small file costs four system calls (open, fstat, read, close)
 * and its share of one send. A large file goes by itself (transfer_send_large.c).
 */
#include "service/files/transfer_send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int send_batch(struct ly__send *s)
{
    int r = s->fatal;
    if (r == 0 && s->batch.length > 0)
        r = ly_stream_write(s->stream, ly_buffer_bytes(&s->batch), s->batch.length);
    ly_buffer_clear(&s->batch);
    if (r == 0 && s->batched > 0 && s->hooks->progress)
        s->hooks->progress(s->arg, "", s->batched);
    s->batched = 0;
    return r;
}

/* Send what fill has left: the batch, then the large file; or ask what it wants to know. */
static int send_filled(struct ly__send *s, int how)
{
    int r = send_batch(s);
    if (how == LY__FILL_LIST && r == 0)
        r = ly__send_list_level(s);
    if (how == LY__FILL_LARGE) {
        if (r == 0)
            r = ly__send_large(s);
        close(s->large.fd);
        s->large.fd = -1;
    }
    return r;
}

static int send_tree(struct ly__send *s)
{
    int how;
    do {
        how = ly__send_fill(s);
        int r = how < 0 ? how : send_filled(s, how);
        if (r < 0)
            return r;
    } while (how != LY__FILL_END);
    return 0;
}

int ly__send_entry(struct ly__send *s, int dir, const char *name, const char *as, bool recursive)
{
    s->prefix = strlen(as);
    memcpy(s->path, as, s->prefix + 1);
    int how = ly__send_fill_first(s, dir, name, recursive);
    if (how == -EISDIR || how == -ECANCELED || how == -ETIMEDOUT)
        return how;
    if (how < 0 && s->fatal == 0)
        ly__send_fail(s, how);
    int r = send_filled(s, how);
    if (r == 0 && s->walking)
        r = send_tree(s);
    if (s->walking)
        ly__tree_close(&s->tree);
    s->walking = false;
    ly__send_drop_levels(s, 0);
    return r;
}

int ly__send_new(struct ly__send **ret_send, struct ly_stream *stream, int64_t id,
                 const struct ly__send_hooks *hooks, void *arg)
{
    struct ly__send *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->stream = stream;
    s->id = id;
    s->hooks = hooks;
    s->arg = arg;
    s->large.fd = -1;
    ly_buffer_init(&s->batch, LY__SEND_BATCH_MAX);
    ly_buffer_init(&s->head, LY_FRAME_HEADER_MAX + 4);
    *ret_send = s;
    return 0;
}

void ly__send_avoid(struct ly__send *s, const struct ly__spot *spot)
{
    s->avoid = *spot;
}

void ly__send_free(struct ly__send *s)
{
    if (!s)
        return;
    if (s->large.fd >= 0)
        close(s->large.fd);
    ly__send_drop_levels(s, 0);
    free(s->levels);
    ly_buffer_done(&s->batch);
    ly_buffer_done(&s->head);
    free(s);
}

const struct ly__transfer_counts *ly__send_counts(const struct ly__send *s)
{
    return &s->counts;
}
