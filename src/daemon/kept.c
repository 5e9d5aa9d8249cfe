/* SPDX-License-Identifier: MIT */
#include "daemon/kept.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <signal.h>
#include <stdlib.h>

#define GRACE_MS 2000 /* between asking the commands of a lost worker to end and making them */

struct ly__kept *ly__kept_find(struct ly__monitor *m, int64_t number)
{
    ly__list_each (l, &m->children) {
        struct ly__kept *c = ly__container_of(l, struct ly__kept, link);
        if (c->number == number && !c->is_freed)
            return c;
    }
    return NULL;
}

static void tell_end(struct ly__kept *c, int status)
{
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = ly__channel_begin(&b);
    if (r == 0)
        r = ly_json_put_int(&b, "ended", c->number);
    if (r == 0)
        r = ly_json_put_int(&b, "status", status);
    if (r == 0)
        (void)ly__monitor_send(c->monitor, &b, NULL, 0);
    ly_buffer_done(&b);
}

/* Nobody will ask for it again: its worker has gone. */
static void end_orphan(struct ly__kept *c)
{
    struct ly_scope *shield;
    int status;
    c->child->calls->kill(c->child, SIGHUP);
    if (ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "ending a command"}) < 0)
        return;
    c->child->calls->wait(c->child, &status, GRACE_MS);
    c->child->calls->kill(c->child, SIGKILL);
    ly_scope_close(shield);
}

static int attend_command(void *arg)
{
    struct ly__kept *c = arg;
    int status = 0;
    char byte;
    ly_set_name("a worker's command");
    int r = c->child->calls->wait(c->child, &status, LY_FOREVER);
    c->has_ended = r == 0;
    if (r == 0 && !c->is_freed)
        tell_end(c, status);
    if (r == 0 && !c->is_freed)
        (void)ly_chan_recv(c->freed, &byte, LY_FOREVER);
    if (!c->has_ended)
        end_orphan(c);
    ly__list_remove(&c->link);
    c->child->calls->free(c->child);
    ly_chan_free(c->freed);
    free(c);
    return 0;
}

void ly__kept_free(struct ly__kept *c)
{
    static const char done = 1;
    c->is_freed = true;
    if (!c->has_ended)
        c->child->calls->kill(c->child, SIGKILL);
    (void)ly_chan_send(c->freed, &done, 0);
}

int ly__keep(struct ly__monitor *m, struct ly__child *child, struct ly__kept **ret)
{
    struct ly__kept *c = calloc(1, sizeof *c);
    int r = c ? ly_chan_new(&c->freed, 1, 1, LY_LOCAL) : -ENOMEM;
    if (r == 0) {
        c->monitor = m;
        c->child = child;
        c->number = ++m->last;
        ly__list_append(&m->children, &c->link);
        r = ly_go(m->scope, attend_command, c);
    }
    if (r < 0) {
        if (c && c->freed) {
            ly__list_remove(&c->link);
            ly_chan_free(c->freed);
        }
        free(c);
        child->calls->free(child);
        return r;
    }
    *ret = c;
    return 0;
}
