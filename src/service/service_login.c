/* SPDX-License-Identifier: MIT */
/*
 * How a session's peer is let in: by what it is (a Unix socket's user, the holder of a device's key), or by a
 * login, whose messages pass through here to who knows the users. Source: docs/protocol.md, section 3.
 */
#include "auth/proof.h"
#include "auth/roles.h"
#include "service/service.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <lanyard/tls.h>
#include <unistd.h>

#define MECHANISM_MAX 64
#define MESSAGE_MAX 2048 /* bytes of a login's message */

/* ---- where they are ---- */

struct own_root {
    int root_fd;
    const char *directory;
};

static int open_own_root(void *arg)
{
    const struct own_root *o = arg;
    return ly__files_directory(o->root_fd, o->directory);
}

/* Somebody is in: what they see is their directory. Returns 0, or why that cannot be. */
static int enter(struct ly__session *s)
{
    s->root_fd = s->service->root_fd;
    if (s->root_fd >= 0 && *s->grant.directory) {
        struct own_root o = {s->root_fd, s->grant.directory};
        int fd = ly_offload(open_own_root, &o);
        if (fd < 0)
            return fd;
        s->root_fd = s->own_root_fd = fd;
    }
    s->logged_in = true;
    return 0;
}

/* ---- by what they are ---- */

static void ask_system(struct ly__session *s, struct ly__origin *o)
{
    struct ucred who;
    socklen_t length = sizeof who;
    if (ly_sock_family(s->sock) != AF_UNIX ||
        ly_sock_get_option(s->sock, SOL_SOCKET, SO_PEERCRED, &who, &length) < 0)
        return;
    o->is_local = true;
    o->pid = who.pid;
    o->uid = who.uid;
}

/* The peer's key, if it has shown one that can be a device's. */
static int ask_for_key(struct ly__session *s, struct ly__origin *o, struct ly__tls_proof *proof)
{
    int r = ly__tls_take_proof(s->sock, proof);
    if (r == 0)
        r = ly__proof_has_form(proof);
    o->proof = r == 0 ? proof : NULL;
    return r == -ENOENT || r == LY_EPEER ? 0 : r;
}

/* What TLS has proved: the channel's own name, and the peer's key. */
static int ask_tls(struct ly__session *s, struct ly__origin *o, struct ly__tls_proof *proof)
{
    if (!ly_tls_is_on(s->sock))
        return 0;
    int r = ly_tls_handshake(s->sock);
    if (r == 0)
        r = ly_tls_export(s->sock, "EXPORTER-Channel-Binding", o->binding, sizeof o->binding);
    if (r < 0)
        return r;
    o->is_bound = true;
    return ask_for_key(s, o, proof);
}

int ly__session_admit(struct ly__session *s)
{
    struct ly__origin o = {.peer = s->peer};
    struct ly__authority *a = s->service->authority;
    struct ly__tls_proof proof;
    ly__tls_proof_init(&proof);
    ask_system(s, &o);
    int r = ask_tls(s, &o, &proof);
    if (r == 0)
        r = a->calls->begin(a, &o, &s->number, &s->grant);
    ly__tls_proof_done(&proof);
    return r <= 0 ? r : enter(s);
}

/* ---- by a login ---- */

int ly__session_put_who(struct ly__session *s)
{
    int r = ly_json_put_string(&s->out, "user", s->grant.user);
    if (r == 0)
        r = ly_json_open(&s->out, "roles", '[');
    for (unsigned i = 0; ly__role_name(i) && r == 0; i++) {
        if (s->grant.roles & 1u << i)
            r = ly_json_put_string(&s->out, NULL, ly__role_name(i));
    }
    return r < 0 ? r : ly_json_close(&s->out, ']');
}

static int answer(struct ly__session *s, const struct ly_buffer *message)
{
    int r = ly__session_begin(s);
    if (r == 0 && s->logged_in)
        r = ly_json_put_bool(&s->out, "ok", true);
    if (r == 0)
        r = ly_json_put_bytes(&s->out, "data", ly_buffer_bytes(message), message->length);
    if (r == 0 && s->logged_in)
        r = ly__session_put_who(s);
    return r < 0 ? r : ly__session_send(s, 0);
}

static int step(struct ly__session *s, const char *mechanism, const char *data, size_t n)
{
    struct ly__authority *a = s->service->authority;
    struct ly_buffer message;
    ly_buffer_init(&message, MESSAGE_MAX);
    s->grant.wait_ms = 0;
    int r = a->calls->login(a, s->number, mechanism, data, n, &message, &s->grant);
    if (r == LY_EDENIED)
        s->wait_ms = s->grant.wait_ms;
    if (r > 0)
        r = enter(s);
    if (r == 0)
        r = answer(s, &message);
    ly_buffer_done(&message);
    return r;
}

/* One message of a login. One that fails ends the connection: the next guess costs another handshake. */
static int run_login(struct ly__session *s, const struct ly_frame *f)
{
    char mechanism[MECHANISM_MAX], data[MESSAGE_MAX];
    ssize_t n = ly_json_string(ly_json_get(f->header, "data"), data, sizeof data);
    if (s->logged_in || n < 0 ||
        ly_json_string(ly_json_get(f->header, "mechanism"), mechanism, sizeof mechanism) < 0)
        return LY_EFIELD;
    int r = ly__session_drop_body(s);
    return r < 0 ? r : step(s, mechanism, data, (size_t)n);
}

const struct ly__service_command ly__login_commands[] = {
    {"login", 0, run_login},
    {0},
};
