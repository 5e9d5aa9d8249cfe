/* SPDX-License-Identifier: MIT */
/*
 * Which handler a request is for, and what is answered where there is none.
 *
 * A path that no row has: 404. A row's path with another method: 405, with Allow. A method that no row has
 * and that is not one of the eight of RFC 9110: 501. OPTIONS without a row of its own: 204 with Allow.
 */
#include "server/http.h"
#include <errno.h>
#include <string.h>

#define BODY_MAX (1 << 20)
#define WELL_KNOWN                                                                                          \
    (unsigned)(LY_HTTP_GET | LY_HTTP_HEAD | LY_HTTP_POST | LY_HTTP_PUT | LY_HTTP_DELETE | LY_HTTP_CONNECT | \
               LY_HTTP_OPTIONS | LY_HTTP_TRACE)

/* The methods that a row serves. */
static unsigned served_by(const struct ly_http_route *route)
{
    return route->methods | (route->methods & LY_HTTP_GET ? (unsigned)LY_HTTP_HEAD : 0);
}

/* Whether the row's path has this one; *ret_rest is how much of it stands before the row's "*". */
static bool has_path(const struct ly_http_route *route, const char *path, size_t *ret_rest)
{
    size_t n = strlen(route->path);
    if (n > 0 && route->path[n - 1] == '*') {
        *ret_rest = n - 1;
        return strncmp(path, route->path, n - 1) == 0;
    }
    *ret_rest = strlen(path);
    return strcmp(path, route->path) == 0;
}

/* The first row for the request; *ret_allowed are the methods of all rows that have its path, of all rows for
 * a target without one. */
static const struct ly_http_route *find_route(struct ly_http *x, unsigned *ret_allowed)
{
    const char *path = ly_http_path(x);
    size_t rest;
    *ret_allowed = 0;
    for (const struct ly_http_route *route = x->site->routes; route && route->path; route++) {
        if (path[0] == '/' && !has_path(route, path, &rest))
            continue;
        *ret_allowed |= served_by(route);
        if (path[0] == '/' && served_by(route) & x->head.method) {
            x->rest = x->path + rest;
            return route;
        }
    }
    return NULL;
}

static bool is_implemented(const struct ly_http *x)
{
    unsigned methods = WELL_KNOWN;
    for (const struct ly_http_route *route = x->site->routes; route && route->path; route++)
        methods |= route->methods;
    return methods & x->head.method;
}

static int add_allow(struct ly_http *x, unsigned allowed)
{
    char list[160]; /* all names together are shorter */
    char *p = list;
    for (unsigned bit = 1; bit & LY_HTTP_METHODS_ALL; bit <<= 1) {
        const char *name = ly_http_method_name(bit);
        if (!(allowed & bit))
            continue;
        if (p > list)
            p = mempcpy(p, ", ", 2);
        p = mempcpy(p, name, strlen(name));
    }
    *p = 0;
    return ly_http_add(x, "Allow", list);
}

static int answer_without_route(struct ly_http *x, unsigned allowed)
{
    allowed |= allowed ? (unsigned)LY_HTTP_OPTIONS : 0;
    if (!is_implemented(x))
        return ly_http_answer_status(x, 501);
    if (allowed == 0)
        return ly_http_answer_status(x, 404);
    int r = add_allow(x, allowed);
    if (r < 0)
        return r;
    return x->head.method == LY_HTTP_OPTIONS ? ly_http_begin(x, 204, NULL, 0) : ly_http_answer_status(x, 405);
}

/* ---- running the handler ---- */

/* The handler has ended with r: the answer that it has left to us. */
static int complete(struct ly_http *x, int r)
{
    if (x->stage != LY__HTTP_WAITING) {
        x->broken = x->broken || r < 0;
        return r < 0 ? r : 0;
    }
    if (r < 0) {
        ly__http_refuse_request(x, x->refusal ? x->refusal : 500, x->why ? x->why : ly_error_text(r));
        return r;
    }
    if (r == 0)
        return ly_http_begin(x, 204, NULL, 0);
    return ly_http_answer_status(x, r >= 400 && r <= 599 ? r : 500);
}

static int run(struct ly_http *x)
{
    struct ly_http_site *site = x->site;
    int busy = __atomic_add_fetch(&site->busy, 1, __ATOMIC_RELAXED);
    int r;
    if (site->max_busy > 0 && busy > site->max_busy) {
        ly_http_add(x, "Retry-After", "1");
        r = ly_http_answer_status(x, 503);
    } else {
        r = complete(x, x->route->handle(x));
    }
    __atomic_sub_fetch(&site->busy, 1, __ATOMIC_RELAXED);
    /* What the client has done wrong, or that it is gone, is nobody's failure. */
    bool clients = x->refusal || x->lost || r == -EPIPE || r == -ECONNRESET || r == -ECANCELED;
    return r < 0 && !clients ? r : 0;
}

/* Whether the site answers to the host that is asked for: a page of another name must not reach it through a
 * name that leads here (DNS rebinding). A request without any, of HTTP/1.0, does not come from a page. */
static bool is_our_host(const struct ly_http *x)
{
    struct ly_http_text host = x->head.host;
    if (!x->site->hosts || !host.bytes || host.length == 0)
        return true;
    const char *port = memrchr(host.bytes, ':', host.length),
               *bracket = memrchr(host.bytes, ']', host.length);
    if (port && (!bracket || bracket < port))
        host.length = (size_t)(port - host.bytes);
    for (const char *const *name = x->site->hosts; *name; name++)
        if (ly_http_text_is(host, *name))
            return true;
    return false;
}

int ly__http_dispatch(struct ly_http *x)
{
    unsigned allowed;
    if (!is_our_host(x)) {
        x->broken = ly_http_answer_status(x, 421) < 0;
        return 0;
    }
    x->route = find_route(x, &allowed);
    if (!x->route) {
        x->broken = answer_without_route(x, allowed) < 0;
        return 0;
    }
    int64_t most = x->route->body_max ? x->route->body_max : x->site->body_max ? x->site->body_max : BODY_MAX;
    if (ly_http_body_init(&x->body, &x->head, 0, most) < 0)
        return ly__http_refuse_request(x, x->body.refusal, x->body.why);
    return run(x);
}
