/* SPDX-License-Identifier: MIT */
/*
 * limit-udp ADDRESS [--plain]: the least an echo server for datagrams can do: up to BATCH of them by one
 * recvmmsg, which waits for the first, and all sent back by one sendmmsg. With --plain one recvfrom and one
 * sendto for each.
 */
#include "../common/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, SIZE = 2048 };

static char buffer[BATCH][SIZE];
static struct sockaddr_in from[BATCH];
static struct iovec piece[BATCH];
static struct mmsghdr message[BATCH];

static void batches(int fd)
{
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            piece[i] = (struct iovec){buffer[i], SIZE};
            message[i].msg_hdr = (struct msghdr){
                .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &piece[i], .msg_iovlen = 1};
        }
        int n = recvmmsg(fd, message, BATCH, MSG_WAITFORONE, NULL);
        if (n < 0)
            die("recvmmsg");
        for (int i = 0; i < n; i++)
            piece[i].iov_len = message[i].msg_len;
        for (int sent = 0; sent < n;) {
            int r = sendmmsg(fd, message + sent, (unsigned)(n - sent), 0);
            if (r <= 0)
                die("sendmmsg");
            sent += r;
        }
    }
}

static void one_by_one(int fd)
{
    for (;;) {
        socklen_t length = sizeof from[0];
        ssize_t n = recvfrom(fd, buffer[0], SIZE, 0, (struct sockaddr *)&from[0], &length);
        if (n < 0 || sendto(fd, buffer[0], (size_t)n, 0, (struct sockaddr *)&from[0], length) < 0)
            die("recvfrom or sendto");
    }
}

int main(int argc, char **argv)
{
    int fd = listen_on(argc > 1 ? argv[1] : "udp://127.0.0.1:0");
    if (argc > 2 && !strcmp(argv[2], "--plain"))
        one_by_one(fd);
    else
        batches(fd);
}
