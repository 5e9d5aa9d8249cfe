/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: datagrams come back in upper case: 000_udp_server [host] [port]
 *
 * Bytes: a datagram of up to 1024, the same in upper case to its sender; one of 0 bytes is answered by one of
 * 0 bytes.
 * The toy ends when an answer finds nobody. Here the socket's error is that one answer's. The toy answers
 * itself for ever when a datagram claims to come from it; py_serve drops such.
 */
#include "python_form.h"
#include <ctype.h>

static int answer(struct ly_request *rq)
{
    char *data = rq->packet;
    size_t n = rq->packet_length;
    py_print("%s %s\n", py_bytes(data, n), py_tuple(&rq->peer));
    for (size_t i = 0; i < n; i++)
        data[i] = (char)toupper((unsigned char)data[i]);
    return ly_reply(rq, data, n);
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {
        .policy = LY_SEQUENTIAL, .handler.handle = answer, .max_packet_size = 1024};
    return py_serve(argc, argv, "udp://127.0.0.1:9999", &options);
}
