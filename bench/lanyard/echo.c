/* SPDX-License-Identifier: MIT */
/*
 * ly-echo [--address A] [--reactor R] [--policy P] [--buffer own|lent] [--at-accept]
 *
 * The library's echo server as a user would write it, on the public interface alone. --at-accept starts a
 * fiber at accept instead of at the first byte. Prints "listening ADDRESS".
 */
#include <lanyard/lanyard.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The buffer is the handler's own, which suits small messages. */
static int echo_own(struct ly_request *rq)
{
    char buffer[2048];
    ssize_t n;
    while ((n = ly_recv(rq->sock, buffer, sizeof buffer)) > 0) {
        int r = ly_sendall(rq->sock, buffer, (size_t)n);
        if (r < 0)
            return r;
    }
    return (int)n;
}

/* The buffer is lent only while there is something in it. */
static int echo_lent(struct ly_request *rq)
{
    void *bytes;
    ssize_t n;
    while ((n = ly_recv_lent(rq->sock, LY_LENT_MAX, &bytes)) > 0) {
        int r = ly_sendall(rq->sock, bytes, (size_t)n);
        ly_lent_return(bytes);
        if (r < 0)
            return r;
    }
    return (int)n;
}

/* A load that ends hangs up in the middle of messages: no news. */
static void ignore_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    (void)error;
}

static enum ly_policy policy(const char *name)
{
    static const char *const names[] = {[LY_FIBERS] = "fibers",
                                        [LY_SEQUENTIAL] = "sequential",
                                        [LY_FORKING] = "forking",
                                        [LY_THREADING] = "threading"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(name, names[i]))
            return (enum ly_policy)i;
    }
    fprintf(stderr, "ly-echo: no policy %s\n", name);
    exit(2);
}

static struct ly_server_options parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"address", required_argument, NULL, 'a'}, {"reactor", required_argument, NULL, 'r'},
        {"policy", required_argument, NULL, 'p'},  {"buffer", required_argument, NULL, 'b'},
        {"at-accept", no_argument, NULL, 'f'},     {0}};
    struct ly_server_options o = {.address = "tcp://127.0.0.1:0",
                                  .handler.handle = echo_own,
                                  .hooks.handle_error = ignore_error,
                                  .listen.backlog = 4096,
                                  .max_requests = 100000,
                                  .no_delay = true};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'a':
            o.address = optarg;
            break;
        case 'r':
            o.reactor = optarg;
            break;
        case 'p':
            o.policy = policy(optarg);
            break;
        case 'b':
            o.handler.handle = strcmp(optarg, "lent") ? echo_own : echo_lent;
            break;
        case 'f':
            o.server_speaks_first = true;
            break;
        default:
            exit(2);
        }
    }
    return o;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = parse(argc, argv);
    struct ly_server *server;
    struct ly_address address;
    char text[LY_ADDRESS_TEXT];
    int r = ly_server_open(&server, &options);
    if (r >= 0)
        r = ly_server_address(server, &address);
    if (r < 0) {
        fprintf(stderr, "ly-echo: %s\n", ly_error_text(r));
        return 1;
    }
    ly_address_format(&address, text, sizeof text);
    printf("listening %s\n", text);
    fflush(stdout);
    r = ly_serve_forever(server);
    ly_server_close(server);
    return r < 0;
}
