/* SPDX-License-Identifier: MIT */
/* What the files of serving HTTP share: one exchange, in the frame of its connection's handler. */
#ifndef LY_SERVER_HTTP_H
#define LY_SERVER_HTTP_H

#include "server/server.h"
#include <lanyard/http_server.h>

/* How far an answer has come. */
enum ly__http_stage { LY__HTTP_WAITING, LY__HTTP_BEGUN, LY__HTTP_ENDED };

struct ly_http {
    /* the connection */
    struct ly_request *rq;
    struct ly_http_site *site;
    struct ly_stream *stream;
    int served;  /* requests so far */
    bool unread; /* the client may still be sending what nobody reads: take leave of it slowly */

    /* the request */
    struct ly_http_head head, trailers;
    struct ly_http_body body;
    const struct ly_http_route *route;
    struct ly_buffer bytes;   /* the head's bytes, then the decoded path */
    struct ly_buffer content; /* of ly_http_read_all */
    size_t path, rest;        /* where in bytes the decoded path is, and what is below the route's */
    int64_t received;         /* bytes of content */
    int64_t read_since;       /* when reading the body began; 0: it has not */
    bool continued;           /* the client does not wait for 100 (any more) */
    int refusal;              /* reading the body failed so that this status says why; 0: not */
    const char *why;          /* the reason of a refusal, for the log */

    /* the answer */
    struct ly_buffer fields; /* added by the handler: to the head, once that is sent behind the body */
    struct ly_buffer out;    /* its head */
    struct ly_http_answer answer;
    enum ly__http_stage stage;
    int status;
    int64_t left;  /* bytes promised and not written; -1: none were promised */
    int64_t sent;  /* bytes of content */
    int64_t began; /* when the head was complete; only with a log */
    bool close;    /* the connection ends after this answer */
    bool broken;   /* the answer cannot be completed: nothing more is sent */
    bool lost;     /* because sending failed: the client is gone, or does not read */
};

/* A time-out of the site: 0 stands for the default, what is below for none. */
static inline int64_t ly__http_timeout(int64_t ms, int64_t otherwise)
{
    return ms == 0 ? otherwise : ms < 0 ? LY_FOREVER : ms;
}

/* How long a site waits for the next request to begin. */
int64_t ly__http_idle(const struct ly_http_site *site);

/* Whether the server is ending: answers say that their connection does too. */
bool ly__http_is_draining(const struct ly_http *x);

/* Whether this connection will give way after its answer, which says so then: requests run one after the
 * other, somebody knocks, and this client has not asked for more. */
bool ly__http_gives_way(const struct ly_http *x);

/* Answer a request by the table of routes (http_route.c). Returns 0, or the error of the handler. */
int ly__http_dispatch(struct ly_http *x);

/* Refuse the request: answer with this status and end the connection (http_answer.c). */
int ly__http_refuse_request(struct ly_http *x, int status, const char *why);

/* Complete the answer (http_answer.c). Returns 0, or an error of sending; x->broken if it could not be. */
int ly__http_end_answer(struct ly_http *x);

/* Whether nothing of the body is still to be read, trailers included. */
static inline bool ly__http_body_is_over(const struct ly_http *x)
{
    return x->body.done && (x->body.framing != LY_HTTP_CHUNKED || x->body.own.ended);
}

/* Read and drop what is left of the body, if it is little (http_request.c). Returns whether it is gone. */
bool ly__http_drop_body(struct ly_http *x);

#endif
