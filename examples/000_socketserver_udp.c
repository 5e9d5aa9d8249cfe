/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: the datagram server as a ThreadingUDPServer: 000_socketserver_udp [host] [port]
 *
 * Bytes: a datagram of up to 8192, the same in upper case to its sender.
 * In Python the request is (data, socket), and the handler answers by sendto; here it is rq->packet and
 * ly_reply. The toy starts a thread a datagram without an end; here there are 1000 at most.
 */
#include "python_form.h"
#include <ctype.h>

static int handle(struct ly_request *rq)
{
    char *data = rq->packet;
    for (size_t i = 0; i < rq->packet_length; i++)
        data[i] = (char)toupper((unsigned char)data[i]);
    return ly_reply(rq, data, rq->packet_length);
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.policy = LY_THREADING, .handler.handle = handle};
    return py_serve(argc, argv, "udp://127.0.0.1:9999", &options);
}
