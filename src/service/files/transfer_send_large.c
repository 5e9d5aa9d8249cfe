/* SPDX-License-Identifier: MIT */
/*
 * Sending one large file.
 *
 * It goes in chunks by sendfile(2), from the page cache to the socket without passing through this
 * process. Its hash needs the bytes all the same: each chunk is read piece by piece into a buffer that stays
 * in the processor's cache. That read does not wait (RWF_NOWAIT); where the disk would have to be asked, the
 * chunk is read on the pool instead, and sendfile finds it in memory. If the file changes between the two the
 * hash does not fit what was sent, and the receiver drops the file.
 * Over TLS, where the kernel has nothing to send from the page cache, the piece that was hashed is encrypted
 * from the same buffer.
 */
#include "service/files/transfer_send.h"

#include <errno.h>
#include <lanyard/fiber.h>
#include <lanyard/socket.h>
#include <lanyard/tls.h>
#include <string.h>
#include <sys/uio.h>

#define SHARE (2 << 20) /* bytes sent, or hashed on the pool, before others have their turn */
#define SEND_CHUNK                                                                            \
    (256 << 10) /* bytes of a large file hashed and sent in turn: small, so that the receiver \
                 * has the last one to work on while the next is hashed */

/* Hash up to large.goal. Returns 0; 1: the disk must be waited for; LY_ECHANGED: the file ends before;
 * -errno. */
static int hash_range(void *arg)
{
    struct ly__send *s = arg;
    struct ly__outgoing *o = &s->large;

    while (o->hashed < o->goal) {
        int64_t left = o->goal - o->hashed;
        if (o->held == LY__SEND_PIECE)
            o->held = 0; /* not wanted any more */
        size_t room = LY__SEND_PIECE - o->held;
        struct iovec iov = {s->scratch + o->held, left < (int64_t)room ? (size_t)left : room};
        ssize_t n = preadv2(o->fd, &iov, 1, o->hashed, o->may_wait ? 0 : RWF_NOWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !o->may_wait && (errno == EAGAIN || errno == EOPNOTSUPP))
            return 1;
        if (n <= 0)
            return n < 0 ? -errno : LY_ECHANGED;
        ly__hash_update(&o->hash, iov.iov_base, (size_t)n);
        o->held += (size_t)n;
        o->hashed += n;
    }
    return 0;
}

static int hash_on_pool(struct ly__send *s, int64_t goal)
{
    s->large.goal = goal;
    s->large.may_wait = true;
    return ly_offload(hash_range, s);
}

static int hash_up_to(struct ly__send *s, int64_t goal)
{
    s->large.goal = goal;
    s->large.may_wait = false;
    int r = hash_range(s);
    return r == 1 ? hash_on_pool(s, goal) : r;
}

/* How much of the file the receiver has already, checked: the hash is then that of this part. */
static int find_offset(struct ly__send *s, int64_t *ret)
{
    char claimed[LY__HASH_TEXT] = "", hash[LY__HASH_TEXT];
    int64_t offset = 0;
    int r = s->hooks->resume ? s->hooks->resume(s->arg, s->path, s->large.st.st_size, &offset, claimed) : 0;

    *ret = -1;
    if (r < 0 || offset <= 0 || offset > s->large.st.st_size)
        return r;
    for (int64_t at = 0; r == 0 && at < offset;) {
        at = offset - at < SHARE ? offset : at + SHARE;
        r = hash_on_pool(s, at);
    }
    ly__hash_text(&s->large.hash, hash);
    if (r == 0 && !strcmp(hash, claimed)) {
        *ret = offset;
        return 0;
    }
    ly__hash_init(&s->large.hash);
    s->large.hashed = 0;
    return r == -ECANCELED || r == -ETIMEDOUT ? r : 0;
}

/* Fill up what was announced and cannot be read. */
static int send_zeros(struct ly__send *s, int64_t n)
{
    memset(s->scratch, 0, sizeof s->scratch);
    while (n > 0) {
        size_t k = n < (int64_t)sizeof s->scratch ? (size_t)n : sizeof s->scratch;
        int r = ly_stream_write(s->stream, s->scratch, k);
        if (r < 0)
            return r;
        n -= (int64_t)k;
    }
    return 0;
}

/* What was hashed last, n bytes, out of the buffer that it was read into. */
static int64_t send_held(struct ly__send *s, int64_t n)
{
    int r = ly_sendall(ly_stream_sock(s->stream), s->scratch, (size_t)n);
    return r < 0 ? r : n;
}

/* Send n bytes from at on, hashed. Returns the bytes sent, in *ret_error why they are fewer; or the
 * connection's error. TLS needs them in memory, where the hash had them a moment ago. */
static int64_t send_chunk(struct ly__send *s, int64_t at, int64_t n, int *ret_error)
{
    bool from_memory = ly_tls_is_on(ly_stream_sock(s->stream));
    if (from_memory && n > LY__SEND_PIECE)
        n = LY__SEND_PIECE;
    s->large.held = 0;
    *ret_error = hash_up_to(s, at + n);
    if (*ret_error == -ECANCELED || *ret_error == -ETIMEDOUT)
        return *ret_error;
    if (*ret_error < 0)
        return 0;
    if (from_memory)
        return send_held(s, n);
    int64_t sent = ly_sendfile(ly_stream_sock(s->stream), s->large.fd, at, n);
    if (sent == -EIO) /* the file's, not the connection's */
        sent = 0;
    if (sent >= 0 && sent < n)
        *ret_error = LY_ECHANGED;
    return sent;
}

/* A receiver that keeps up would never let this fiber wait: give way to the others now and then. */
static int share(int64_t *unpaid, int64_t sent)
{
    *unpaid += sent;
    if (*unpaid < SHARE)
        return 0;
    *unpaid = 0;
    return ly_sleep(0);
}

/* Returns 0, or the connection's error; *ret_error is the file's. */
static int send_body(struct ly__send *s, int64_t at, int *ret_error)
{
    int64_t end = s->large.st.st_size, unpaid = 0;
    int r = ly_stream_flush(s->stream);

    while (r == 0 && *ret_error == 0 && at < end) {
        int64_t sent = send_chunk(s, at, end - at < SEND_CHUNK ? end - at : SEND_CHUNK, ret_error);
        if (sent < 0)
            return (int)sent;
        at += sent;
        if (s->hooks->progress)
            s->hooks->progress(s->arg, s->path, sent);
        r = share(&unpaid, sent);
    }
    return r < 0 ? r : send_zeros(s, end - at);
}

static bool has_changed(const struct ly__outgoing *o)
{
    struct stat now;
    return fstat(o->fd, &now) < 0 || now.st_size != o->st.st_size ||
           now.st_mtim.tv_sec != o->st.st_mtim.tv_sec || now.st_mtim.tv_nsec != o->st.st_mtim.tv_nsec;
}

static int send_trailer(struct ly__send *s, int error)
{
    char hash[LY__HASH_TEXT];
    int r = ly__send_begin(s);
    if (r == 0 && error < 0)
        r = ly__entry_put_error(&s->head, error, s->path);
    if (r == 0 && error == 0) {
        ly__hash_text(&s->large.hash, hash);
        r = ly_json_put_string(&s->head, "xxh3", hash);
    }
    if (r == 0)
        r = ly_frame_end(&s->head, 0);
    return r < 0 ? r : ly_frame_send(s->stream, &s->head, NULL, 0);
}

int ly__send_large(struct ly__send *s)
{
    struct ly__outgoing *o = &s->large;
    int64_t offset = -1;
    int error = 0;

    ly__hash_init(&o->hash);
    o->hashed = 0;
    int r = find_offset(s, &offset);
    if (r == 0)
        r = ly__send_begin(s);
    if (r == 0)
        r = ly__entry_put_fields(&s->head, s->path, &o->st, NULL, NULL, offset);
    int64_t at = offset < 0 ? 0 : offset;
    if (r == 0)
        r = ly_frame_end(&s->head, o->st.st_size - at);
    if (r == 0)
        r = ly_frame_send(s->stream, &s->head, NULL, 0);
    if (r == 0)
        r = send_body(s, at, &error);
    if (r == 0 && error == 0 && has_changed(o))
        error = LY_ECHANGED;
    if (r == 0)
        r = send_trailer(s, error);
    if (r < 0)
        return r;
    if (error == 0) {
        s->counts.files++;
        s->counts.bytes += o->st.st_size - at;
        return 0;
    }
    ly__send_count_failed(s, error);
    if (s->hooks->failed)
        s->hooks->failed(s->arg, error, s->path);
    return 0;
}
