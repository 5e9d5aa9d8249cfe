/* SPDX-License-Identifier: MIT */
/*
 * ly-udp [--reactor R] [--policy P]
 *
 * The library's echo server for datagrams as a user would write it. Prints "listening ADDRESS".
 */
#include <lanyard/lanyard.h>

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static int echo(struct ly_request *rq)
{
    return ly_reply(rq, rq->packet, rq->packet_length);
}

static void ignore_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    (void)error;
}

static struct ly_server_options parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"reactor", required_argument, NULL, 'r'}, {"policy", required_argument, NULL, 'p'}, {0}};
    struct ly_server_options o = {
        .address = "udp://127.0.0.1:0", .handler.handle = echo, .hooks.handle_error = ignore_error};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'r')
            o.reactor = optarg;
        else if (c == 'p')
            o.policy = strcmp(optarg, "sequential") == 0  ? LY_SEQUENTIAL
                       : strcmp(optarg, "threading") == 0 ? LY_THREADING
                                                          : LY_FIBERS;
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
        fprintf(stderr, "ly-udp: %s\n", ly_error_text(r));
        return 1;
    }
    ly_address_format(&address, text, sizeof text);
    printf("listening %s\n", text);
    fflush(stdout);
    r = ly_serve_forever(server);
    ly_server_close(server);
    return r < 0;
}
