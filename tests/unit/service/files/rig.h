/* SPDX-License-Identifier: MIT */
/* The file service on one end of a socket pair, in a thread of its own with a loop, serving tempdir/root; the
 * test has the other end. */
#ifndef LY_TESTS_RIG_H
#define LY_TESTS_RIG_H

#include "service/service.h"
#include "tempdir.h"

#include <errno.h>
#include <lanyard/fiber.h>
#include <pthread.h>

struct rig {
    pthread_t thread;
    struct ly_sock *server;   /* the service's end */
    struct ly_stream *stream; /* the test's end */
    struct ly_frame answer;   /* the last one received */
    int ended;                /* what ended the session */
    void *user;               /* the test's */
};

static struct rig rig;

static int rig_request(struct ly__session *s)
{
    struct ly_frame f;
    if (ly_stream_buffered(s->stream) == 0)
        (void)ly_stream_flush(s->stream);
    int r = ly_frame_recv(s->stream, &f);
    if (r <= 0)
        return r < 0 ? r : LY_EEOF;
    s->body = f.size;
    (void)ly_json_int(ly_json_get(f.header, "id"), &s->id);
    for (const struct ly__service_command *c = ly__files_commands; c->name; c++)
        if (ly_json_equal(ly_json_get(f.header, "cmd"), c->name)) {
            r = c->run(s, &f);
            return r < 0 ? r : ly__session_drop_body(s);
        }
    return -EOPNOTSUPP;
}

static int rig_session(void *arg)
{
    static struct ly__service service;
    struct ly__session s = {.service = &service, .id = -1};
    struct ly_stream_options options = {.read_size = LY__SESSION_READ, .write_size = LY__SESSION_WRITE};
    (void)arg;
    ly_buffer_init(&s.out, LY_FRAME_HEADER_MAX + 4);
    s.root_fd = openat(tempdir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s.root_fd < 0 || ly_stream_open(&s.stream, rig.server, &options) < 0)
        abort();
    int r = 0;
    while (r == 0)
        r = rig_request(&s);
    rig.ended = r;
    ly_stream_close(s.stream);
    ly_buffer_done(&s.out);
    close(s.root_fd);
    return 0;
}

static void *rig_thread(void *arg)
{
    (void)arg;
    if (ly_run(rig_session, NULL, NULL) < 0)
        abort();
    return NULL;
}

/* Also a second time in one test, after rig_close. */
static inline void rig_open(void)
{
    struct ly_sock *sock;
    struct ly_stream_options options = {.read_size = LY__SESSION_READ, .write_size = LY__SESSION_WRITE};
    if (ly_socketpair(&sock, &rig.server) < 0 || ly_stream_open(&rig.stream, sock, &options) < 0)
        abort();
    if (pthread_create(&rig.thread, NULL, rig_thread, NULL) != 0)
        abort();
}

/* Wait until the service answers: its start lies behind. */
static inline void rig_settle(void)
{
    static const char ask[] = "{\"cmd\": \"stat\", \"id\": 0, \"path\": \"\"}";
    const unsigned char head[4] = {sizeof ask - 1};
    if (ly_stream_write(rig.stream, head, 4) < 0 || ly_stream_write(rig.stream, ask, sizeof ask - 1) < 0 ||
        ly_stream_flush(rig.stream) < 0 || ly_frame_recv(rig.stream, &rig.answer) != 1)
        abort();
}

static inline void rig_close(void)
{
    ly_stream_close(rig.stream);
    pthread_join(rig.thread, NULL);
}

static inline int rig_setup(void **state)
{
    int r = tempdir_setup(state);
    if (r == 0) {
        make_dir("root");
        rig_open();
    }
    return r;
}

static inline int rig_teardown(void **state)
{
    rig_close();
    return tempdir_teardown(state);
}

/* Send a frame: its header as text, and n bytes of body (the header's size says so). */
static inline void rig_send_body(const char *header, const void *body, size_t n)
{
    unsigned length = (unsigned)strlen(header);
    unsigned char head[4] = {(unsigned char)length, (unsigned char)(length >> 8),
                             (unsigned char)(length >> 16)};
    /* a session that has ended shows when its answer is missing */
    if (ly_stream_write(rig.stream, head, 4) == 0 && ly_stream_write(rig.stream, header, length) == 0)
        (void)ly_stream_write(rig.stream, body, n);
}

static inline void rig_send(const char *header)
{
    rig_send_body(header, "", 0);
}

/* Receive a frame's head into rig.answer. Returns as ly_frame_recv. */
static inline int rig_receive(void)
{
    (void)ly_stream_flush(rig.stream);
    return ly_frame_recv(rig.stream, &rig.answer);
}

/* A field of the answer as a string ("" if it is none), in a static buffer. */
static inline const char *rig_text(const char *name)
{
    static char text[LY_FRAME_HEADER_MAX];
    if (ly_json_string(ly_json_get(rig.answer.header, name), text, sizeof text) < 0)
        text[0] = '\0';
    return text;
}

static inline int64_t rig_number(const char *name)
{
    int64_t n = -1;
    (void)ly_json_int(ly_json_get(rig.answer.header, name), &n);
    return n;
}

static inline bool rig_true(const char *name)
{
    bool b = false;
    return ly_json_bool(ly_json_get(rig.answer.header, name), &b) == 0 && b;
}

/* Send a request and receive its first answer; the error's name, or "" */
static inline const char *rig_ask(const char *header)
{
    rig_send(header);
    if (rig_receive() != 1)
        return "(no answer)";
    return rig_text("error");
}

#endif
