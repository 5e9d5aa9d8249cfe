/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 001: says when it received what from whom: 001_udp_ctime_server HOST PORT
 *
 * Bytes: any datagram; its sender gets `Fri Nov 20 21:44:50 2026 接收到 ('127.0.0.1', 55077) 的消息` in
 * UTF-8, the local time as ctime has it. The toy ends when an answer finds nobody. Here it is that answer's
 * error alone.
 */
#include "python_form.h"
#include <string.h>
#include <time.h>

static int answer(struct ly_request *rq)
{
    char now[32], text[512];
    time_t seconds = time(NULL);
    ctime_r(&seconds, now);
    now[strcspn(now, "\n")] = '\0';
    py_print("%s %s\n", py_tuple(&rq->peer), py_text(rq->packet, rq->packet_length));
    int n = snprintf(text, sizeof text, "%s 接收到 %s 的消息", now, py_tuple(&rq->peer));
    return ly_reply(rq, text, (size_t)n);
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.policy = LY_SEQUENTIAL, .handler.handle = answer};
    if (argc < 3) {
        fprintf(stderr, "usage: 001_udp_ctime_server HOST PORT\n");
        return 2;
    }
    return py_serve(argc, argv, "udp://127.0.0.1:0", &options);
}
