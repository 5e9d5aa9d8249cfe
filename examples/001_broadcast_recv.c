/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 001: hears the call and answers: 001_broadcast_recv [host] [port]
 *
 * Bytes: any datagram; 9 bytes, `I am here`, to its sender alone.
 * The tutorial listens on all addresses (give "" for that); here it is loopback's broadcast address,
 * 127.255.255.255, unless one is given. Errors are printed and not the end, as in the toy.
 */
#include "python_form.h"

static int answer(struct ly_request *rq)
{
    py_print("从%s获取信息:%s\n", py_tuple(&rq->peer), py_text(rq->packet, rq->packet_length));
    return ly_reply(rq, "I am here", 9);
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.policy = LY_SEQUENTIAL, .handler.handle = answer};
    return py_serve(argc, argv, "udp://127.255.255.255:19999", &options);
}
