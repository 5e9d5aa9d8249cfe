/* SPDX-License-Identifier: MIT */
/*
 * Servers: one handler, run one at a time, in processes, in threads or in fibers.
 *
 * The order for each request is that of Python's socketserver: accept, verify_request, setup, handle, finish,
 * then shutdown(SHUT_WR) and close. finish runs whenever setup succeeded. An error of any of them goes to
 * handle_error; the server goes on. What the client has sent and nobody has read makes the close a reset
 * (tcp(7)), which can take the last answer from a client that is still sending: where that answer matters, as
 * in a refused upload, read to the end first.
 *
 * With a datagram address ("udp://...", "unix-dgram:...") each datagram is a request of its own, an empty one
 * too: it is in rq->packet, and ly_reply answers its sender.
 */
#ifndef LANYARD_SERVER_H
#define LANYARD_SERVER_H

#include <lanyard/address.h>
#include <lanyard/buffer.h>
#include <lanyard/error.h>
#include <lanyard/socket.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ly_server;

enum ly_policy {
    LY_FIBERS = 0, /* a fiber each, on a loop per worker */
    LY_SEQUENTIAL, /* one after the other, in the serving thread */
    LY_FORKING,    /* a process each */
    LY_THREADING,  /* a thread each */
};

/* What a handler sees. The struct lives from setup to the end of finish. */
struct ly_request {
    struct ly_server *server; /* borrowed */
    /* the connection; borrowed: the server closes it. The handler may close it earlier. Of a datagram server:
     * the server's own socket, which all requests share and none closes */
    struct ly_sock *sock;
    struct ly_address peer; /* the client's address; length 0 for an unbound Unix client */
    void *state;            /* the handler's own; starts as NULL, never shared between requests */
    /* datagram servers: the datagram, the handler's to read and to change until finish is over; else NULL */
    void *packet;
    size_t packet_length; /* its bytes; 0 is a datagram too */
    bool cut;             /* it was longer than max_packet_size; the rest is lost */
    /* the library's own */
    struct ly_buffer *gathered; /* what ly_reply_add collected; NULL: nothing */
};

/* Each returns at least 0, or an error, which goes to handle_error. setup and finish may be NULL. */
struct ly_handler {
    int (*setup)(struct ly_request *rq);
    int (*handle)(struct ly_request *rq);
    int (*finish)(struct ly_request *rq);
};

/* The overridable parts. Each may be NULL for the default. */
struct ly_server_hooks {
    /* Whether to serve the connection or datagram: above 0 yes, 0 no (it is closed), below 0 no, and the
     * error goes to handle_error. Runs in the accepting task. Default: yes. */
    int (*verify_request)(struct ly_request *rq);
    /* Told of each failed request. where: "verify_request", "setup", "handle", "finish", "reply" (of what
     * ly_reply_add collected), "fork", "thread", "fiber". Runs where the request ran. Default: a report on
     * standard error with operation, peer, error name and text, and why TLS failed where it did. */
    void (*handle_error)(struct ly_request *rq, const char *where, int error);
    /* ly_handle_request waited for its time-out in vain. Default: nothing. */
    void (*handle_timeout)(struct ly_server *server);
    /* Once after each turn of ly_serve_forever's loop, at least every poll_interval_ms. Default: nothing. */
    void (*service_actions)(struct ly_server *server);
    /* Accepting failed (out of descriptors or memory) and is paused: told once a pause. Default: a log line.
     */
    void (*accept_paused)(struct ly_server *server, int error);
};

struct ly_server_options {
    /* as in address.h: "tcp://host:port" (port 0: the system picks one), "tls://host:port",
     * "udp://host:port", "unix:name", "unix-dgram:name", "unix-seqpacket:name"; "systemd:" or "systemd:NAME"
     * for what was handed over (supervise.h); NULL with listener */
    const char *address;
    /* a listening socket, or a datagram socket with an address, to serve instead; taken, on success only */
    struct ly_sock *listener;
    enum ly_policy policy;
    struct ly_handler handler;
    struct ly_server_hooks hooks;
    void *user; /* for the handler, by ly_server_user; borrowed */
    struct ly_listen_options listen;
    /* connections are TLS streams: the context, a server's (tls.h). With a "tls://" address, which needs one,
     * and with "systemd:" or listener */
    struct ly_tls *tls;
    bool no_bind;        /* create only: ly_server_bind and ly_server_activate come by hand */
    const char *reactor; /* fibers: see struct ly_run_options */
    int workers;         /* fibers: loops, each on its own thread; 0: 1; at most 256 */
    /* fibers, several workers: one acceptor hands out connections in turn, instead of a listener per worker
     * (always so for Unix sockets and a listener that is given). Datagrams: all workers receive from one
     * socket, instead of one each */
    bool distribute;
    /* fibers: start the handler at accept. Else it starts with the client's first byte; with a
     * request_timeout_ms or HTTP also without one, a second later at most, so that silence ends as under the
     * other policies */
    bool server_speaks_first;
    size_t stack_size; /* fibers: see struct ly_run_options */
    int64_t stall_ms;  /* fibers: see struct ly_run_options */
    /* requests in flight at most; accepting pauses there. 0: sequential 1, forking 40, threading 1000, fibers
     * 1,000,000 (open connections that have not sent yet count), of datagrams 10,000 */
    int max_requests;
    /* the longest datagram taken whole, 1..65536; 0: 8192. Requests in flight hold so much memory each */
    size_t max_packet_size;
    /* datagrams: each answer goes out at once. Else short ones to Internet addresses, given by the task that
     * runs the handler in the sequential and fiber policies, may wait for those of other datagrams that came
     * at the same time; never while that task waits */
    bool reply_at_once;
    /* put on each connection as its socket's time-out, and the time a reply to a datagram may wait for room;
     * 0: none */
    int64_t request_timeout_ms;
    /* how long ly_handle_request waits; 0: as LY_FOREVER (see ly_handle_request); LY_POLL: not at all */
    int64_t handle_timeout_ms;
    int64_t poll_interval_ms; /* 0: 500 */
    bool no_delay;            /* TCP_NODELAY on each connection */
    /* how long a shutdown lets running requests finish before it cancels them; 0: LY_FOREVER; LY_POLL: cancel
     * at once */
    int64_t drain_ms;
    /* forking, threading: neither the end of ly_serve_forever nor ly_server_close waits for running requests
     * or cancels them (drain_ms is not used) */
    bool no_block_on_close;
};
#define LY_POLL ((int64_t)-2)

#define LY_PACKET_MAX 65536 /* the greatest max_packet_size */

/* Create a server; unless no_bind, bound and listening on return. options is copied, its strings too.
 * Returns 0, -EINVAL (options that contradict each other or are out of range), or an error of ly_listen; on
 * failure nothing stays open, and listen.why, where given, tells which option or step it was. */
LY_API int ly_server_open(struct ly_server **ret_server, const struct ly_server_options *options);

/* The two steps by hand after no_bind. Return 0 or an error of ly_listen's steps. */
LY_API int ly_server_bind(struct ly_server *server);
LY_API int ly_server_activate(struct ly_server *server);

/* Serve one request, waiting for it at most handle_timeout_ms or the listener's own time-out, whichever is
 * less; then handle_timeout is called. Sequential and fibers run the request to its end; forking and
 * threading start it, and wait only if it reaches max_requests, until one has ended. Returns 1 (a request was
 * taken), 0 (timed out), or an error: -EBUSY (ly_serve_forever runs), -EPERM (forking, from a fiber),
 * -ECANCELED. Suspends.
 */
LY_API int ly_handle_request(struct ly_server *server);

/*
 * Serve until ly_server_shutdown. May be called again afterwards. In the fiber policy it runs the workers'
 * loops, the first on the calling thread; called from a fiber, any policy but forking serves on that fiber's
 * loop. Returns 0, -EBUSY (it runs already), -EPERM (forking, from a fiber), -ECANCELED or -ETIMEDOUT (the
 * scopes around the caller ended it), or an error that made serving impossible.
 */
LY_API int ly_serve_forever(struct ly_server *server);

/*
 * End ly_serve_forever: no further request is accepted, running ones drain (drain_ms), the rest is cancelled.
 * Where requests run beside the loop, one that it was accepting just then may still be begun.
 * From another thread it waits until serving has ended; from a handler of this server, a hook, or a signal
 * watcher's fiber on its loops it only asks, and returns at once. Before serving has begun it waits for the
 * next ly_serve_forever, which then returns at once. After it has ended: no effect. A second call while
 * draining cancels at once. Suspends.
 */
LY_API void ly_server_shutdown(struct ly_server *server);
/* As above, never waiting: safe anywhere, signal handlers included. A request that comes before the first
 * ly_serve_forever, as a signal can while a program starts, ends that one. After serving has ended: no
 * effect. */
LY_API void ly_server_request_shutdown(struct ly_server *server);

/*
 * Answer the client of a request. On a connection: ly_sendall. To a datagram: one datagram of n bytes, an
 * empty one with n 0, to its sender, from the server's socket; in any order and from any task of the request.
 *
 * Returns 0 or an error of ly_sendall; for datagrams also -EDESTADDRREQ (the client is a Unix socket without
 * an address), -EMSGSIZE, -ECONNREFUSED and -ENOENT (a Unix client that has gone). Suspends.
 */
LY_API int ly_reply(struct ly_request *rq, const void *bytes, size_t n);

/*
 * Collect n more bytes of an answer that goes out in one piece once handle and finish have succeeded; after
 * an error nothing is sent. The first call makes an answer, so that n 0 alone gives an empty datagram. An
 * error of sending goes to handle_error, as "reply". Returns 0, -ENOMEM or -EMSGSIZE (beyond LY_PACKET_MAX;
 * nothing is collected).
 */
LY_API int ly_reply_add(struct ly_request *rq, const void *bytes, size_t n);

/* Close the listener, wait for running requests (unless no_block_on_close), free. NULL is accepted. Suspends.
 */
LY_API void ly_server_close(struct ly_server *server);

/* The bound address. Returns 0 or -EBADF. */
LY_API int ly_server_address(const struct ly_server *server, struct ly_address *ret_address);
/* The listening descriptor, so that the server can be polled itself; -1 when closed. */
LY_API int ly_server_fileno(const struct ly_server *server);
LY_API void *ly_server_user(const struct ly_server *server);

struct ly_server_stats {
    uint64_t accepted; /* connections or datagrams taken */
    uint64_t refused;  /* by verify_request */
    uint64_t failed;   /* requests that ended in handle_error */
    uint64_t active;   /* open now */
    uint64_t pauses;   /* times accepting was paused for want of descriptors or memory */
};

/* Counters: of one worker (0..workers-1), or of all with worker -1. Returns 0 or -EINVAL. */
LY_API int ly_server_stats(const struct ly_server *server, int worker, struct ly_server_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
