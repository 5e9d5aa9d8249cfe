/* SPDX-License-Identifier: MIT */
/*
 * Serving HTTP/1.1: a table of routes, served by any struct ly_server of streams.
 *
 *     static int hello(struct ly_http *x)
 *     {
 *         return ly_http_answer(x, 200, "text/plain", "hello\n", 6);
 *     }
 *     static const struct ly_http_route routes[] = {{LY_HTTP_GET, "/hello", hello, 0}, {0}};
 *     static struct ly_http_site site = {.routes = routes};
 *     ...
 *     ly_server_open(&server, &(struct ly_server_options){
 *         .address = "tcp://127.0.0.1:8080", .handler.handle = ly_http_serve, .user = &site});
 *
 * Requests of a connection are answered one after the other, in their order, whether they come one by one or
 * many at once; connections go on until either side wants their end. A client that is slow, sends what is no
 * request, or goes away, concerns its own connection only.
 */
#ifndef LANYARD_HTTP_SERVER_H
#define LANYARD_HTTP_SERVER_H

#include <lanyard/http.h>
#include <lanyard/server.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One request and its answer, while a handler has it. */
struct ly_http;

/*
 * A row of the table. The first row whose path and method fit is taken; a path that fits without the method
 * is answered by 405.
 */
struct ly_http_route {
    /* enum ly_http_method, or a sum of them. LY_HTTP_GET serves HEAD too, whose body is left out by itself;
     * OPTIONS is answered by what there is unless a row has it */
    unsigned methods;
    /* "/a/b": this decoded path. With a star at its end: every path that begins with what stands before the
     * star. NULL ends the table */
    const char *path;
    /*
     * Runs where the connection's handler runs, and may suspend. Returns 0 (it has answered; if not: 204), a
     * status from 400 to 599, which is answered with its name, or an error: answered by 500 (by 400, 408 or
     * 413 where reading the body failed so) and told to the server's handle_error. After an error the
     * connection ends.
     */
    int (*handle)(struct ly_http *x);
    int64_t body_max; /* most bytes of body, beyond: 413; 0: the site's */
};

/* What is known of an exchange at its end, for an access log. Borrowed; method and target are the client's
 * bytes: visible ASCII, but for other readers than a terminal still to be escaped. */
struct ly_http_record {
    const struct ly_request *rq;
    struct ly_http_text method, target; /* empty where the request could not be read */
    int status;                         /* 0: the connection ended before an answer */
    int64_t sent;                       /* bytes of content */
    int64_t duration_ns;                /* from the end of the request's head to that of the answer */
    const char *why;                    /* the reason of a refusal, or NULL */
};

/* What is served. One for a server, or several; it must stay while they serve. Zero stands for a default; a
 * time-out of LY_FOREVER for none. */
struct ly_http_site {
    const struct ly_http_route *routes; /* ended by a row without path; borrowed */
    struct ly_http_limits limits;       /* of requests' heads: beyond, 414 or 431 */
    /* names that the site answers to ("example.org", "[::1]"), whatever the port, ended by NULL; others get
     * 421. NULL: any. What serves a browser on this machine should say, lest pages from elsewhere reach it */
    const char *const *hosts;
    int64_t body_max; /* most bytes of a body; 0: 1 MiB. Beyond: 413 */
    /* time for a head, from its first byte on; 0: 10 s. Then 408 */
    int64_t head_timeout_ms;
    /* time for a body, and a second more for each 500 bytes that have come; 0: 20 s. Then 408 */
    int64_t body_timeout_ms;
    /* for the next request to begin; 0: 15 s. Then the connection ends; sooner if others wait for its place:
     * within 50 ms in a sequential server, within a second in one at its cap */
    int64_t idle_timeout_ms;
    int64_t send_timeout_ms; /* for the client to take 64 KiB of an answer; 0: 30 s */
    /* handlers at a time, of the process; a request beyond is answered by 503. 0: no cap but the server's */
    int max_busy;
    int max_requests;                                 /* on one connection; 0: any number */
    const char *name;                                 /* for the Server field; NULL: none; borrowed */
    void (*log)(const struct ly_http_record *record); /* after each exchange; may be NULL */
    void *user;                                       /* for handlers, by ly_http_user; borrowed */
    int busy;                                         /* the library's own: handlers that run */
};

/*
 * Serve a connection: the `handle` of a server whose `user` is a struct ly_http_site. Returns 0, or the error
 * of a handler. What the client does wrong is no error: it is answered, or the connection ends. Suspends.
 */
LY_API int ly_http_serve(struct ly_request *rq);

/* The same for a given site, where `user` is another thing. */
LY_API int ly_http_serve_site(struct ly_request *rq, struct ly_http_site *site);

/* ---- the request ---- */

/* Its head; borrowed, until the handler returns. */
LY_API const struct ly_http_head *ly_http_request(const struct ly_http *x);

/* Its path, decoded by ly_http_path_decode ("" for CONNECT and *), and what of it is below the route's "*".
 */
LY_API const char *ly_http_path(const struct ly_http *x);
LY_API const char *ly_http_rest(const struct ly_http *x);

/* The first field of this name. Returns whether there is one. */
LY_API bool ly_http_field(const struct ly_http *x, const char *name, struct ly_http_text *ret_value);

/* A parameter of the query, decoded. Returns as ly_http_form_get. */
LY_API ssize_t ly_http_parameter(const struct ly_http *x, const char *name, char *ret_value, size_t cap);

/* The connection's request, and the site's user. */
LY_API struct ly_request *ly_http_connection(const struct ly_http *x);
LY_API void *ly_http_user(const struct ly_http *x);

/*
 * Read on in the body. A client that waits for 100 Continue gets it now, unless the answer has begun. Returns
 * the bytes stored; 0 at the end of the body; LY_EHTTP, LY_ETOOBIG, -ETIMEDOUT, LY_EEOF, or an error of
 * ly_recv: return it. Suspends.
 */
LY_API ssize_t ly_http_read(struct ly_http *x, void *buf, size_t n);

/* Read the whole body, of at most max bytes; it is kept until the handler returns. Returns 0 or an error as
 * ly_http_read, -ENOMEM. Suspends. */
LY_API int ly_http_read_all(struct ly_http *x, size_t max, struct ly_http_text *ret_body);

/* A field behind a chunked body that has been read to its end. Returns whether there is one. */
LY_API bool ly_http_trailer(const struct ly_http *x, const char *name, struct ly_http_text *ret_value);

/*
 * User and password of the request's Basic credentials, in text (see ly_http_basic). Returns 0, -ENOENT (none
 * were sent), LY_EHTTP (other ones, or several), LY_ETOOBIG.
 */
LY_API int ly_http_credentials(const struct ly_http *x, char *text, size_t cap, const char **ret_user,
                               const char **ret_password);

/* ---- the answer ---- */

/*
 * Add a field to the answer, before it begins. Returns as ly_http_put_field; -EINVAL also for Connection,
 * Date, and when the answer has begun.
 */
LY_API int ly_http_add(struct ly_http *x, const char *name, const char *value);

/* End the connection after this answer. */
LY_API void ly_http_end_connection(struct ly_http *x);

/*
 * Answer with n bytes. type is the Content-Type, NULL for none. Returns 0; -EINVAL (an answer has begun, a
 * status below 200 or above 599, a type with control characters); -ENOMEM; an error of sending. May suspend.
 */
LY_API int ly_http_answer(struct ly_http *x, int status, const char *type, const void *bytes, size_t n);

/*
 * Begin an answer whose body follows by ly_http_write. length is its bytes; -1: not known, so that it goes in
 * chunks (HTTP/1.1) or up to the connection's end (HTTP/1.0). It ends when the handler returns; if it has
 * fewer bytes than promised then, the connection is cut, so that the client notices. Returns as
 * ly_http_answer.
 */
LY_API int ly_http_begin(struct ly_http *x, int status, const char *type, int64_t length);

/* Write on in the body. Gathered; what a HEAD must not get is dropped. Returns 0; LY_ETOOBIG (more than
 * promised), -EINVAL (not begun), an error of sending. May suspend. */
LY_API int ly_http_write(struct ly_http *x, const void *bytes, size_t n);

/* Send what is gathered: for answers that come slowly. Returns 0 or an error of sending. Suspends. */
LY_API int ly_http_flush(struct ly_http *x);

/*
 * Add a field behind the body of an answer that has begun, such as a checksum of it. It is sent if the answer
 * goes in chunks, which not every client gets; clients may ignore it. Returns as ly_http_put_field; -EINVAL
 * also for Host and Connection, and before the answer has begun.
 */
LY_API int ly_http_add_trailer(struct ly_http *x, const char *name, const char *value);

/* Answer with a regular file, sent by ly_sendfile; fd is borrowed. Returns as ly_http_answer; -EISDIR and
 * -EINVAL for other descriptors. Suspends. */
LY_API int ly_http_answer_file(struct ly_http *x, int status, const char *type, int fd);

/* Answer with a status and its name as text: the same as returning it from the handler. */
LY_API int ly_http_answer_status(struct ly_http *x, int status);

/* Answer 401 and ask for Basic credentials of this realm. Passwords then travel in the clear: on loopback, a
 * Unix socket, or under TLS only. Returns as ly_http_answer. */
LY_API int ly_http_challenge(struct ly_http *x, const char *realm);

#ifdef __cplusplus
}
#endif
#endif
