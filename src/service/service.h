/* SPDX-License-Identifier: MIT */
/*
 * The contract between a connection's session loop (session.c) and the services.
 *
 * The loop receives the head of each request, reads its id, finds the command's row and calls it. A service
 * is a file that implements the row's function and answers through the helpers below; it never includes
 * another service. Source: docs/protocol.md, section 3.
 */
#ifndef LY_SERVICE_SERVICE_H
#define LY_SERVICE_SERVICE_H

#include "base/list.h"
#include "service/service_authority.h"
#include "service/service_control.h"

#include <lanyard/address.h>
#include <lanyard/buffer.h>
#include <lanyard/frame.h>
#include <lanyard/server.h>
#include <lanyard/socket.h>
#include <lanyard/stream.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LY__SESSION_BODY_MAX (1 << 20) /* most bytes of body of a request that has none; they are dropped */
/* The stream's read_size: a whole header, and many small files at once. */
#define LY__SESSION_READ (256u << 10)
#define LY__SESSION_WRITE (128u << 10) /* the stream's write_size: many small entries leave in one call */

/* The sessions that are there, and those that wait for their next request (idle.c). */
struct ly__idle {
    pthread_mutex_t lock;    /* guards the rest */
    struct ly__list all;     /* struct ly__session.link */
    struct ly__list waiting; /* struct ly__session.idle */
    bool ending;             /* the server takes no further request */
    bool sparing;            /* but for the first of those who have asked for nothing yet */
};

void ly__idle_open(struct ly__idle *idle);
void ly__idle_close(struct ly__idle *idle);

/* End those that wait, and whichever would; sparing: but for those who have asked for nothing yet, up to the
 * next call. Without, those who have not logged in are ended, too. From any thread. */
void ly__idle_end(struct ly__idle *idle, bool sparing);

/* End the session of this number now, whatever it does. Returns whether there is one. From any thread. */
bool ly__idle_cut(struct ly__idle *idle, uint64_t number);

/* Call fn for each session that does something, with what; fn neither waits nor uses the list. */
void ly__idle_each_busy(struct ly__idle *idle,
                        void (*fn)(void *arg, uint64_t number, const struct ly__deed *deed), void *arg);

/* What a server has done so far. Each only grows. */
struct ly__counters {
    atomic_uint_least64_t requests, received, sent; /* bytes of files, and of commands' input and output */
};

/* What all connections of a server share. It outlives them, and only the counter and idle change. */
struct ly__service {
    int root_fd;                     /* the served directory, held open (O_PATH); -1: none is served */
    const char *const *env;          /* a command's environment, "NAME=value", ended by NULL; borrowed */
    struct ly__authority *authority; /* who decides; borrowed */
    const char *next_key; /* what announces this machine's next key, a JSON object; NULL: none; borrowed */
    atomic_bool hurry;    /* the server ends at once: commands get no grace */
    struct ly__counters counters;
    struct ly__control *control; /* for whoever looks after the server; NULL: none here; borrowed */
    struct ly__idle idle;
};

#define LY__DEED_OBJECT 512 /* bytes of what is kept of a deed's object, with its zero byte */

/* The names of what a request brings, where its head does not have them. */
struct ly__deed_names {
    char text[LY__DEED_OBJECT];
    size_t length;
    bool cut; /* some did not fit */
};

struct ly__session {
    struct ly__service *service;   /* borrowed */
    uint64_t number;               /* the authority's, for this session */
    bool logged_in;                /* grant is valid */
    bool has_asked;                /* for anything but who it is */
    struct ly__grant grant;        /* who it is and what they may do */
    struct ly_stream *stream;      /* the connection's two directions; borrowed */
    struct ly_sock *sock;          /* its socket, whose time-out bounds each wait; borrowed */
    const struct ly_address *peer; /* who asked, for the log; borrowed */
    int root_fd;                   /* what this user sees as the root, held open (O_PATH); -1: nothing */
    int own_root_fd; /* the same where it is the user's own directory; -1: it is the service's */
    int64_t id;      /* the current request's; negative where it could not be read */
    int result;      /* the current request's: the last error that was sent, else 0 */
    int exit;        /* of its command, as struct ly__deed has it; -1: it has none */
    int64_t moved; /* bytes of files or of a command that came and went for this request; -1: it moves none */
    int64_t unpaid;               /* bytes of a user with a limit that the authority does not know of yet */
    int64_t due;                  /* until when the session moves nothing, of ly_now() */
    bool paying;                  /* one of its tasks is telling the authority */
    bool lost;                    /* its client has gone, or it is to end: nothing is sent, or waited for */
    struct ly__deed_names *names; /* borrowed; NULL: nobody wants to know */
    int64_t body;                 /* bytes of the current request's own body that nobody has read yet */
    struct ly_buffer out;         /* the answer's header that is being built */
    int64_t wait_ms; /* goes with LY_EDENIED: for how long nothing is taken from the peer; 0: it may come */
    bool ended;      /* the connection's last frame has been written */
    const struct ly__deed *deed; /* what it does, guarded by service->idle.lock; NULL: nothing to be noted */
    struct ly__list idle;        /* in service->idle.waiting while it waits for a request */
    struct ly__list link;        /* in service->idle.all */
};

/* What it does from here on; NULL: nothing. */
void ly__session_does(struct ly__session *s, const struct ly__deed *deed);

/* It is there, with a number, up to ly__session_leave. */
void ly__session_enter(struct ly__session *s);
void ly__session_leave(struct ly__session *s);

/* It waits for its next request from here on, up to ly__session_busy. Returns false if the server ends. */
bool ly__session_idle(struct ly__session *s);
void ly__session_busy(struct ly__session *s);

/* One row a command. */
struct ly__service_command {
    const char *name; /* as in "cmd" */
    unsigned role;    /* of auth/roles.h: who may; 0: whoever has logged in. What needs a role is noted */
    /*
     * Handle one request. f's header is in the stream's buffer and valid until the first read: take the
     * fields first. A function that reads on from the stream calls ly__session_drop_body before; else the
     * loop does it afterwards. What was written is flushed by the loop when it has no further input.
     * Returns 0 to go on with the connection, however the request ended (an error frame has said so), or a
     * negative error: the framing or the connection is lost, and the loop closes it.
     */
    int (*run)(struct ly__session *s, const struct ly_frame *f);
};

/* Read and drop what is left of the request's own body. Returns 0 or an error of ly_frame_skip. Suspends. */
int ly__session_drop_body(struct ly__session *s);

/* Begin an answer in s->out: an open object with the request's id. Add fields, then ly__session_send.
 * Returns 0, LY_ETOOBIG or -ENOMEM. */
int ly__session_begin(struct ly__session *s);

/* End s->out's header, announcing size bytes of body (0: none), and write it; gathered, not flushed. The body
 * follows by the caller's hand. Returns 0 or an error of ly_frame_end, ly_frame_send. Suspends. */
int ly__session_send(struct ly__session *s, int64_t size);

/* Answer {"id": ID, "ok": true}. Gathered. Returns 0 or an error of ly__session_send. Suspends. */
int ly__session_ok(struct ly__session *s);

/*
 * Answer with an error frame. error: negative, as ly_error_name knows it; path: the file concerned, in bytes
 * as on disk, or NULL. Gathered. Returns 0 (the connection goes on) or an error of ly__session_send.
 * Suspends.
 */
int ly__session_error(struct ly__session *s, int error, const char *path);

/*
 * Receive the head of the next frame, by the rules of a session: between frames the peer may be silent for as
 * long as it likes, a head that has begun must be complete in time. What is gathered is not flushed. Returns
 * as ly_frame_recv; -ETIMEDOUT. Suspends.
 */
int ly__session_head(struct ly__session *s, struct ly_frame *ret_frame);

/* Send what is the connection's last frame, an error, if that takes no waiting. Once; later calls do nothing.
 */
void ly__session_goodbye(struct ly__session *s, int error);

/* The handler of the fiber policy: ly_server_user is a struct ly__service. */
int ly__session_handle(struct ly_request *rq);

/*
 * Serve one connection to its end; the socket stays the caller's.
 *
 * number  what the authority calls it; 0: it has no number yet
 *
 * Returns 0, or -ENOMEM: then nothing has begun, and the authority has not been told of the end. Suspends.
 */
int ly__session_run(struct ly__service *service, struct ly_sock *sock, const struct ly_address *peer,
                    uint64_t number);

/* Bytes of files, or of a command, have come or gone: count them, and wait where the user has a limit.
 * Suspends. */
void ly__session_received(struct ly__session *s, int64_t bytes);
void ly__session_sent(struct ly__session *s, int64_t bytes);

/*
 * What a request is about, for the trail: its path or paths, its command (a line for the shell with /bin/sh
 * -c), as words: quoted as a shell would need it where a word is empty or has other characters than ASCII
 * letters, digits and _@%+=:,./- in it. Long ones are cut and end in "...".
 */
void ly__deed_object(char out[LY__DEED_OBJECT], struct ly_json header);

/* Something comes that the request's head did not name: a name in a directory ("": the top). From one task at
 * a time. names: NULL is accepted. */
void ly__deed_add_name(struct ly__deed_names *names, const char *directory, const char *name);

/* Ask who the peer is; whether it must log in is s->logged_in then. Returns 0, or why it is not served.
 * Suspends. */
int ly__session_admit(struct ly__session *s);

/* Add who is logged in to an answer: "user" and "roles". Returns 0 or an error of ly__session_begin. */
int ly__session_put_who(struct ly__session *s);

/* ---- the services' rows; session.c puts them into its table ---- */

/* service_login.c: login. */
extern const struct ly__service_command ly__login_commands[];

/* files/requests.c: stat ls mkdir rm mv get put partial; ended by a row without a name. Each answers
 * EOPNOTSUPP while root_fd is -1. */
extern const struct ly__service_command ly__files_commands[];

/* files/requests.c: open a directory below root (O_PATH), made where it is missing. Returns the descriptor or
 * an error. Blocks. */
int ly__files_directory(int root, const char *path);

/* control.c: status sessions session_kill. */
extern const struct ly__service_command ly__control_commands[];

/* control_http.c: whether what has come is HTTP, and may be. Then answer it. Returns 0 or an error. Suspends.
 */
bool ly__control_is_http(const struct ly__session *s);
int ly__control_http(struct ly__session *s);

/* exec.c: exec. */
extern const struct ly__service_command ly__exec_commands[];

#endif
