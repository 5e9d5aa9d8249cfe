/* SPDX-License-Identifier: MIT */
#include "daemon/channel.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000    /* unless its owner says otherwise */
#define BUFFER (1024 * 1024) /* asked for; the system gives what it gives */
#define MS INT64_C(1000000)

int ly__channel_pair(int ret_fds[2])
{
    static const int size = BUFFER;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        (void)setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

int ly__channel_open(struct ly__channel *c, int fd)
{
    *c = (struct ly__channel){.bytes = malloc(LY__CHANNEL_MAX), .patience_ms = PATIENCE_MS};
    int r = c->bytes ? ly_mutex_new(&c->sending, LY_LOCAL) : -ENOMEM;
    if (r == 0)
        r = ly_sock_from_fd(&c->sock, fd);
    if (r < 0)
        ly__channel_close(c);
    return r;
}

void ly__channel_close(struct ly__channel *c)
{
    ly_sock_free(c->sock);
    ly_mutex_free(c->sending);
    free(c->bytes);
    *c = (struct ly__channel){0};
}

/* ---- messages ---- */

int ly__channel_begin(struct ly_buffer *b)
{
    ly_buffer_clear(b);
    return ly_json_open(b, NULL, '{');
}

/* It is given up when it has not read for so long: what is sent before this message does not count as that.
 */
static ssize_t send_now(struct ly__channel *c, int64_t began, const struct ly_buffer *b, const int *fds,
                        size_t nfds)
{
    struct ly_scope *patience;
    int64_t since = c->taken > began ? c->taken : began;
    ssize_t n = ly_scope_open(&patience, &(struct ly_scope_options){.deadline = since + c->patience_ms * MS,
                                                                    .shield = true,
                                                                    .name = "a message"});
    if (n < 0)
        return n;
    n = ly_send_fds(c->sock, ly_buffer_bytes(b), b->length, fds, nfds);
    if (n >= 0)
        c->taken = ly_now();
    ly_scope_close(patience);
    return n;
}

/* One at a time, whatever is cancelled: who waits here has done what is told. */
static ssize_t send_whole(struct ly__channel *c, const struct ly_buffer *b, const int *fds, size_t nfds)
{
    struct ly_scope *shield;
    int64_t began = ly_now();
    ssize_t n =
        ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "a message's turn"});
    if (n < 0)
        return n;
    n = ly_mutex_lock(c->sending, LY_FOREVER);
    if (n == 0) {
        n = send_now(c, began, b, fds, nfds);
        ly_mutex_unlock(c->sending);
    }
    ly_scope_close(shield);
    return n;
}

int ly__channel_send(struct ly__channel *c, struct ly_buffer *b, const int *fds, size_t nfds)
{
    int r = ly_json_close(b, '}');
    if (r < 0)
        return r;
    if (b->length > LY__CHANNEL_MAX)
        return LY_ETOOBIG;
    ssize_t n = send_whole(c, b, fds, nfds);
    return n == -EMSGSIZE ? LY_ETOOBIG : n < 0 ? (int)n : 0;
}

int ly__channel_receive(struct ly__channel *c, struct ly__message *ret_message)
{
    struct ly__message *m = ret_message;
    int flags = 0;
    m->nfds = LY__CHANNEL_FDS;
    ssize_t n = ly_recv_fds(c->sock, c->bytes, LY__CHANNEL_MAX, m->fds, &m->nfds, &flags);
    if (n <= 0)
        return (int)n;
    m->is_short = (flags & MSG_CTRUNC) && m->nfds < LY__CHANNEL_FDS;
    bool is_whole = !(flags & MSG_TRUNC) && (m->is_short || !(flags & MSG_CTRUNC));
    int r = is_whole ? ly_json_check(&m->json, c->bytes, (size_t)n) : LY_EJSON;
    if (m->is_short)
        ly__message_done(m);
    if (r == 0 && ly_json_type(m->json) != LY_JSON_OBJECT)
        r = LY_EJSON;
    if (r < 0)
        ly__message_done(m);
    return r < 0 ? r : 1;
}

void ly__message_done(struct ly__message *m)
{
    for (size_t i = 0; i < m->nfds; i++) {
        if (m->fds[i] >= 0)
            close(m->fds[i]);
    }
    m->nfds = 0;
}

/* ---- fields ---- */

int ly__hex_put(struct ly_buffer *b, const char *name, const void *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    char text[2 * LY__HEX_MAX];
    if (n > LY__HEX_MAX)
        return LY_ETOOBIG;
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[from[i] >> 4];
        text[2 * i + 1] = digits[from[i] & 15];
    }
    return ly_json_put_bytes(b, name, text, 2 * n);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes a hexadecimal text stands for, which has no escapes: all between the quotes is digits. */
static size_t hex_length(struct ly_json value)
{
    return ly_json_type(value) == LY_JSON_STRING ? (value.length - 2) / 2 : 0;
}

int ly__hex_get(struct ly_json value, void *ret_bytes, size_t n)
{
    uint8_t *to = ret_bytes;
    if (ly_json_type(value) != LY_JSON_STRING || value.length != 2 * n + 2)
        return LY_EFIELD;
    for (size_t i = 0; i < n; i++) {
        int high = digit(value.text[2 * i + 1]), low = digit(value.text[2 * i + 2]);
        if (high < 0 || low < 0)
            return LY_EFIELD;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

int ly__proof_put(struct ly_buffer *b, const struct ly__tls_proof *p)
{
    int r = ly__hex_put(b, "key", p->key, p->key_length);
    return r < 0 ? r : ly__hex_put(b, "proof", ly_buffer_bytes(&p->messages), p->messages.length);
}

int ly__proof_get(struct ly_json object, struct ly__tls_proof *ret_proof)
{
    struct ly_json key = ly_json_get(object, "key"), messages = ly_json_get(object, "proof");
    size_t n = hex_length(messages);
    char *place;
    if (hex_length(key) > sizeof ret_proof->key || n < 1 || n > LY__TLS_PROOF_MAX)
        return LY_EFIELD;
    ret_proof->key_length = hex_length(key);
    int r = ly_buffer_reserve(&ret_proof->messages, n, &place);
    if (r == 0)
        r = ly__hex_get(key, ret_proof->key, ret_proof->key_length);
    if (r == 0)
        r = ly__hex_get(messages, place, n);
    if (r == 0)
        ly_buffer_commit(&ret_proof->messages, n);
    return r;
}

int ly__grant_put(struct ly_buffer *b, const struct ly__grant *g)
{
    int r = ly_json_put_string(b, "user", g->user);
    if (r == 0)
        r = ly_json_put_int(b, "roles", g->roles);
    if (r == 0)
        r = ly_json_put_int(b, "bandwidth", g->bandwidth);
    return r < 0 ? r : ly_json_put_string(b, "directory", g->directory);
}

int ly__grant_get(struct ly_json object, struct ly__grant *ret)
{
    int64_t roles = 0;
    *ret = (struct ly__grant){0};
    if (ly_json_string(ly_json_get(object, "user"), ret->user, sizeof ret->user) < 0 ||
        ly_json_string(ly_json_get(object, "directory"), ret->directory, sizeof ret->directory) < 0 ||
        ly_json_int(ly_json_get(object, "bandwidth"), &ret->bandwidth) < 0 || ret->bandwidth < 0 ||
        ly_json_int(ly_json_get(object, "roles"), &roles) < 0 || roles < 0 || roles > UINT_MAX)
        return LY_EFIELD;
    ret->roles = (unsigned)roles;
    return 0;
}
