/* SPDX-License-Identifier: MIT */
/* Servers: options, life, counters. */
#include "server/server.h"
#include "fiber/loop.h"
#include "fiber/trail.h"
#include "server/http.h"
#include "server/inherit.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 256
#define POLL_INTERVAL_MS 500
#define SILENT_MS 1000

/* ---- options ---- */

static bool is_time(int64_t ms)
{
    return ms == LY_POLL || (ms >= 0 && ms <= INT64_C(1) << 53);
}

/* A context for TLS is wanted by addresses that say so, and may come with listeners that are given. */
static bool tls_fits(const struct ly_server_options *o)
{
    bool is_given = !o->address || strncmp(o->address, LY__INHERITED, strlen(LY__INHERITED)) == 0;
    if (is_given)
        return !o->tls || ly__tls_base_of(o->tls)->is_server;
    return ly__tls_fits(o->address, o->tls, true) == 0;
}

/* What contradicts itself in the options; NULL: nothing. */
static const char *complaint_of(const struct ly_server_options *o)
{
    const struct {
        bool wrong;
        const char *what;
    } rules[] = {
        {!ly__policy_of(o->policy), "no such policy"},
        {!o->handler.handle, "handler.handle is missing"},
        {!o->address && !o->listener, "an address or a listener is missing"},
        {o->address && o->listener, "an address and a listener are given"},
        {o->no_bind && o->listener, "no_bind does not go with a listener"},
        {o->no_bind && o->listen.replace_stale, "no_bind does not go with listen.replace_stale"},
        {o->workers < 0 || o->workers > WORKERS_MAX, "workers is not within 0 and 256"},
        {o->workers > 1 && o->policy != LY_FIBERS, "several workers are for fibers only"},
        {o->max_packet_size > LY_PACKET_MAX, "max_packet_size is beyond 65536"},
        {o->max_requests < 0, "max_requests is negative"},
        {o->request_timeout_ms < 0, "request_timeout_ms is negative"},
        {o->poll_interval_ms < 0, "poll_interval_ms is negative"},
        {!is_time(o->handle_timeout_ms), "handle_timeout_ms is no time"},
        {!is_time(o->drain_ms), "drain_ms is no time"},
        {!tls_fits(o), "a tls:// address and a server's context as tls go together"},
        {!o->user && o->handler.handle == ly_http_serve, "ly_http_serve needs a struct ly_http_site as user"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].wrong)
            return rules[i].what;
    return NULL;
}

static int check(const struct ly_server_options *o)
{
    const char *complaint = complaint_of(o);
    if (complaint && o->listen.why)
        snprintf(o->listen.why, o->listen.why_size, "options: EINVAL (%s)", complaint);
    return complaint ? -EINVAL : 0;
}

/* Only a handler can lose patience. It is started without a byte where it would. */
static int64_t silence(const struct ly_server_options *o)
{
    int64_t ms = o->request_timeout_ms > 0 ? o->request_timeout_ms : LY_FOREVER;
    if (o->handler.handle == ly_http_serve)
        ms = ly__http_idle(o->user);
    return ms < SILENT_MS ? ms : SILENT_MS;
}

static int copy_string(const char **s)
{
    if (!*s)
        return 0;
    *s = strdup(*s);
    return *s ? 0 : -ENOMEM;
}

static int take_options(struct ly_server *s, const struct ly_server_options *o)
{
    s->options = *o;
    s->options.listener = NULL;
    s->policy = ly__policy_of(o->policy);
    s->workers = o->workers > 0 ? o->workers : 1;
    s->max_requests = o->max_requests; /* 0: see set_up */
    s->silent_ms = silence(o);
    if (o->poll_interval_ms == 0)
        s->options.poll_interval_ms = POLL_INTERVAL_MS;
    s->options.reactor = NULL; /* should the first copy fail, the second pointer is not ours */
    int r = copy_string(&s->options.address);
    s->options.reactor = r == 0 ? o->reactor : NULL;
    return r < 0 ? r : copy_string(&s->options.reactor);
}

/* ---- life ---- */

void ly__server_ref(struct ly_server *s)
{
    atomic_fetch_add(&s->references, 1);
}

void ly__server_unref(struct ly_server *s)
{
    if (atomic_fetch_sub(&s->references, 1) > 1)
        return;
    if (s->policy && s->policy->close)
        s->policy->close(s);
    ly__shutdown_close(s);
    ly__listeners_close(s);
    ly__tls_unref(s->tls);
    pthread_cond_destroy(&s->worker_ready);
    pthread_mutex_destroy(&s->lock);
    free(s->counters);
    free((void *)(uintptr_t)s->options.address);
    free((void *)(uintptr_t)s->options.reactor);
    free(s);
}

/* What is sized by the number of workers, which listeners that were handed over may have raised. */
static int prepare(struct ly_server *s)
{
    s->counters = calloc((size_t)s->workers, sizeof *s->counters);
    int r = s->counters ? ly__shutdown_open(s) : -ENOMEM;
    if (r == 0 && s->policy->open)
        r = s->policy->open(s);
    if (r == 0 && s->max_requests == 0)
        s->max_requests = s->datagrams ? s->policy->max_packets : s->policy->max_requests;
    return r;
}

static int set_up(struct ly_server *s, const struct ly_server_options *o)
{
    int r = take_options(s, o);
    if (r == 0)
        r = ly__listeners_open(s, o);
    if (r < 0)
        return r;
    r = prepare(s);
    if (r < 0 && o->listener)
        s->listener[0] = NULL; /* the caller's still */
    return r;
}

int ly__server_renew(struct ly_server *s)
{
    pthread_mutex_init(&s->lock, NULL); /* whoever held it is not in this process */
    pthread_cond_init(&s->worker_ready, NULL);
    if (s->policy->close)
        s->policy->close(s);
    ly__shutdown_close(s);
    s->stop_fd = s->cancel_fd = s->room_fd = s->handed_out_fd = s->reload_fd = -1;
    s->from_child = NULL;
    s->worker = NULL;
    atomic_store(&s->stage, LY__IDLE);
    atomic_store(&s->has_served, false);
    atomic_store(&s->early, 0);
    atomic_store(&s->asking, 0);
    int r = ly__shutdown_open(s);
    return r == 0 && s->policy->open ? s->policy->open(s) : r;
}

int ly_server_open(struct ly_server **ret_server, const struct ly_server_options *options)
{
    int r = check(options);
    if (r < 0)
        return r;
    struct ly_server *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    if (!options->hooks.handle_error)
        ly__trail_read(); /* by the default report */
    s->references = 1;
    s->stop_fd = s->cancel_fd = s->room_fd = s->handed_out_fd = s->reload_fd = -1;
    atomic_init(&s->threads.cancel_fd, -1);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->worker_ready, NULL);
    r = set_up(s, options);
    if (r < 0) {
        ly__server_unref(s);
        return r;
    }
    *ret_server = s;
    return 0;
}

void ly_server_close(struct ly_server *s)
{
    if (!s)
        return;
    assert(ly__server_here != s); /* a handler cannot close the server that runs it */
    if (atomic_load(&s->stage) != LY__IDLE)
        ly_server_shutdown(s);
    if (!s->options.no_block_on_close && atomic_load(&s->active) > 0)
        ly__drain(s);
    else if (!s->options.no_block_on_close && s->policy->join)
        s->policy->join(s);
    if (!s->datagrams)
        ly__listeners_close(
            s); /* requests that outlive the server answer by the socket of a datagram server */
    ly__server_unref(s);
}

/* ---- serving ---- */

static int may_serve(const struct ly_server *s)
{
    if (s->listeners == 0)
        return -EBADF;
    return ly__loop_here && !s->policy->in_fibers ? -EPERM : 0;
}

int ly_serve_forever(struct ly_server *s)
{
    int r = may_serve(s);
    if (r == 0)
        r = ly__serving_begin(s);
    if (r < 0)
        return r;
    struct ly_server *outer = ly__server_here;
    if (!ly__loop_here)
        ly__server_here = s;
    r = s->policy->serve(s);
    ly__serving_end(s);
    if (!ly__loop_here)
        ly__server_here = outer;
    return r;
}

int ly_handle_request(struct ly_server *s)
{
    int r = may_serve(s);
    if (r < 0)
        return r;
    if (atomic_load(&s->stage) != LY__IDLE)
        return -EBUSY;
    struct ly_server *outer = ly__server_here;
    if (ly__loop_here)
        atomic_store(&s->loop, ly__loop_here);
    else
        ly__server_here = s;
    r = s->policy->handle_one ? s->policy->handle_one(s) : ly__handle_turn(s);
    if (ly__loop_here)
        atomic_store(&s->loop, NULL);
    else
        ly__server_here = outer;
    return r;
}

/* ---- questions ---- */

int ly_server_address(const struct ly_server *s, struct ly_address *ret_address)
{
    if (s->listeners == 0)
        return -EBADF;
    if (s->address.length == 0)
        return ly_sock_local(s->listener[0], ret_address);
    *ret_address = s->address;
    return 0;
}

int ly_server_fileno(const struct ly_server *s)
{
    return s->listeners > 0 ? ly_sock_fileno(s->listener[0]) : -1;
}

void *ly_server_user(const struct ly_server *s)
{
    return s->options.user;
}

static void add_counters(struct ly_server_stats *sum, const struct ly__counters *c)
{
    long long active = atomic_load_explicit(&c->active, memory_order_relaxed);
    sum->accepted += atomic_load_explicit(&c->accepted, memory_order_relaxed);
    sum->refused += atomic_load_explicit(&c->refused, memory_order_relaxed);
    sum->failed += atomic_load_explicit(&c->failed, memory_order_relaxed);
    sum->pauses += atomic_load_explicit(&c->pauses, memory_order_relaxed);
    sum->active += active > 0 ? (uint64_t)active : 0;
}

int ly_server_stats(const struct ly_server *s, int worker, struct ly_server_stats *ret_stats)
{
    struct ly_server_stats sum = {0};
    if (worker < -1 || worker >= s->workers)
        return -EINVAL;
    for (int i = 0; i < s->workers; i++)
        if (worker == -1 || worker == i)
            add_counters(&sum, &s->counters[i]);
    *ret_stats = sum;
    return 0;
}
