/* SPDX-License-Identifier: MIT */
/*
 * A chat room with a memory: chat_server [ADDRESS], tcp://127.0.0.1:9000 by default; talk to it with nc. A
 * client's first line is its name; the others are said to all. Who comes later hears the last of them first.
 *
 * What is said is kept once, in a ring. Each client has two fibers: one hears it and writes to the ring, the
 * other reads the ring to it. So nobody waits for a slow client, which misses what it is too slow for. All
 * fibers are of one loop: no lock is needed.
 */
#include <lanyard/lanyard.h>
#include <stdio.h>
#include <string.h>

#define RING 1024u   /* lines that are kept */
#define HISTORY 100u /* lines that a new client hears */

static struct line {
    char text[512];
} ring[RING];
static uint64_t said; /* lines there ever were; line i is ring[i % RING] */
static struct client {
    struct ly_sock *sock;
    struct ly_chan *news; /* holds something when there may be lines that it has not heard */
    struct client *next;
} * clients;

static void say(const char *name, const char *text)
{
    snprintf(ring[said++ % RING].text, sizeof ring->text, "%s: %s\n", name, text);
    for (struct client *c = clients; c; c = c->next)
        ly_chan_send(c->news, "", 0); /* does not wait: if there is news already, that is enough */
}

static int read_to_client(void *arg)
{
    struct client *c = arg;
    char news;
    int r = 0;
    for (uint64_t next = said > HISTORY ? said - HISTORY : 0; r == 0;) {
        if (next == said) {
            r = ly_chan_recv(c->news, &news, LY_FOREVER);
            continue;
        }
        if (said - next > RING)
            next = said - RING;                 /* it was too slow for those between */
        struct line line = ring[next++ % RING]; /* a copy, since the ring goes on while this waits */
        r = ly_sendall(c->sock, line.text, strlen(line.text));
    }
    ly_shutdown(c->sock, SHUT_RDWR); /* so that the other fiber ends too */
    return r;
}

static int hear_client(struct ly_stream *stream)
{
    char name[33] = "", text[400];
    ssize_t n;
    while ((n = ly_stream_read_until(stream, text, sizeof text - 1, "\n", 1)) > 0) {
        text[n] = '\0';
        text[strcspn(text, "\r\n")] = '\0';
        for (char *p = text; *p; p++)
            *p = (*p >= 0 && *p < 32) || *p == 127 ? '?' : *p; /* the others' terminals are theirs */
        if (*name)
            say(name, text);
        else
            snprintf(name, sizeof name, "%.32s", *text ? text : "?");
    }
    return (int)n;
}

static int serve(struct ly_request *rq)
{
    struct client me = {.sock = rq->sock};
    struct ly_stream *stream = NULL;
    struct ly_scope *scope = NULL;
    int r = ly_chan_new(&me.news, 1, 1, LY_LOCAL);
    if (r == 0)
        r = ly_stream_open(&stream, rq->sock, &(struct ly_stream_options){.read_size = 512, .borrow = true});
    if (r == 0 && (r = ly_scope_open(&scope, NULL)) == 0 && (r = ly_go(scope, read_to_client, &me)) == 0) {
        struct client **link = &clients;
        me.next = clients;
        clients = &me;
        r = hear_client(stream);
        while (*link != &me)
            link = &(*link)->next;
        *link = me.next;
    }
    ly_scope_close(scope);
    ly_stream_close(stream);
    ly_chan_free(me.news);
    return r;
}

int main(int argc, char **argv)
{
    struct ly_server *server;
    struct ly_address address;
    char text[LY_ADDRESS_TEXT];
    const char *where = argc > 1 ? argv[1] : "tcp://127.0.0.1:9000";
    struct ly_server_options options = {
        .address = where, .handler.handle = serve, .server_speaks_first = true};
    int r = ly_server_open(&server, &options);
    if (r == 0 && (r = ly_server_address(server, &address)) == 0) {
        ly_address_format(&address, text, sizeof text);
        fprintf(stderr, "chat_server: listening on %s\n", text);
        r = ly_serve_forever(server);
    }
    if (r < 0)
        fprintf(stderr, "chat_server: %s\n", ly_error_text(r));
    return r < 0;
}
