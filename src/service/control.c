/* SPDX-License-Identifier: MIT */
/*
 * status, sessions, session_kill: for whoever looks after the server. They are answered on its Unix sockets
 * only: a worker, which strangers may have taken over, has nothing to tell of others and no way to end them.
 * Source: docs/protocol.md, section 6.
 */
#include "auth/roles.h"
#include "service/service.h"
#include <errno.h>
#include <lanyard/error.h>

#define STATUS_MAX (1u << 20)
#define SESSIONS_MAX (64u << 20)

/* 0, or why it is not answered here. Looking is not noted in the trail; ending a session is. */
static int check(const struct ly__session *s)
{
    if (!s->service->control || ly_sock_family(s->sock) != AF_UNIX)
        return -EOPNOTSUPP;
    return s->grant.roles & LY__ADMIN ? 0 : LY_EROLE;
}

/* Answer with a body. */
static int answer(struct ly__session *s, const struct ly_buffer *body)
{
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "ok", true);
    if (r == 0)
        r = ly__session_send(s, (int64_t)body->length);
    return r < 0 ? r : ly_stream_write(s->stream, ly_buffer_bytes(body), body->length);
}

/* A user's name that may be missing. Returns 1, 0 or LY_EFIELD. */
static int read_user(const struct ly_frame *f, char user[LY__GRANT_USER])
{
    struct ly_json value = ly_json_get(f->header, "user");
    if (ly_json_type(value) == LY_JSON_NONE)
        return 0;
    return ly_json_string(value, user, LY__GRANT_USER) < 0 ? LY_EFIELD : 1;
}

static int run_status(struct ly__session *s, const struct ly_frame *f)
{
    struct ly_buffer b;
    struct ly__control *c = s->service->control;
    (void)f;
    int r = check(s);
    if (r < 0)
        return ly__session_error(s, r, NULL);
    ly_buffer_init(&b, STATUS_MAX);
    r = c->calls->status(c, &b);
    r = r < 0 ? ly__session_error(s, r, NULL) : answer(s, &b);
    ly_buffer_done(&b);
    return r;
}

static int run_sessions(struct ly__session *s, const struct ly_frame *f)
{
    char user[LY__GRANT_USER];
    struct ly_buffer b;
    struct ly__control *c = s->service->control;
    int r = check(s);
    int has_user = r < 0 ? r : read_user(f, user);
    if (has_user < 0)
        return ly__session_error(s, has_user, NULL);
    ly_buffer_init(&b, SESSIONS_MAX);
    r = c->calls->sessions(c, has_user ? user : NULL, &b);
    r = r < 0 ? ly__session_error(s, r, NULL) : answer(s, &b);
    ly_buffer_done(&b);
    return r;
}

static int answer_killed(struct ly__session *s, int n)
{
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "ok", true);
    if (r == 0)
        r = ly_json_put_int(&s->out, "ended", n);
    return r < 0 ? r : ly__session_send(s, 0);
}

static int run_kill(struct ly__session *s, const struct ly_frame *f)
{
    char user[LY__GRANT_USER];
    int64_t number = 0;
    struct ly__control *c = s->service->control;
    int r = check(s);
    int has_user = r < 0 ? r : read_user(f, user);
    struct ly_json session = ly_json_get(f->header, "session");
    bool has_number = ly_json_type(session) != LY_JSON_NONE;
    if (has_user >= 0 &&
        (has_number == (has_user == 1) || (has_number && (ly_json_int(session, &number) < 0 || number <= 0))))
        has_user = LY_EFIELD;
    if (has_user < 0)
        return ly__session_error(s, has_user, NULL);
    int n = c->calls->kill(c, (uint64_t)number, has_user ? user : NULL, s->number, s->grant.user);
    return has_number && n == 0 ? ly__session_error(s, -ENOENT, NULL) : answer_killed(s, n);
}

const struct ly__service_command ly__control_commands[] = {
    {"status", 0, run_status},
    {"sessions", 0, run_sessions},
    {"session_kill", LY__ADMIN, run_kill},
    {0},
};
