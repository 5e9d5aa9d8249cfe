/* SPDX-License-Identifier: MIT */
/*
 * limit-udp ADDRESS [--plain | --join]: the least an echo server for datagrams can do: up to BATCH of them by
 * one recvmmsg, which waits for the first, and all sent back by one sendmmsg. With --plain one recvfrom and
 * one sendto for each. With --join neighbours of one length and one sender go back as one message, which the
 * kernel cuts again (UDP_SEGMENT).
 */
#include "../common/net.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, SIZE = 2048 };

static char buffer[BATCH][SIZE];
static struct sockaddr_in from[BATCH];
static struct iovec piece[BATCH];
static struct mmsghdr message[BATCH];

static int receive(int fd)
{
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
    return n;
}

/* Make one message of each run of neighbours; its pieces lie behind each other already. Returns how many. */
static int join(int n)
{
    static union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } cut[BATCH];
    int last = -1;
    for (int i = 0; i < n; i++) {
        struct msghdr *m = last < 0 ? NULL : &message[last].msg_hdr;
        if (m && m->msg_iov->iov_len == piece[i].iov_len &&
            (m->msg_iovlen + 1) * piece[i].iov_len <= UINT16_MAX - 1000 &&
            !memcmp(m->msg_name, &from[i], sizeof from[i])) {
            cut[last].head = (struct cmsghdr){CMSG_LEN(sizeof(uint16_t)), SOL_UDP, UDP_SEGMENT};
            *(uint16_t *)CMSG_DATA(&cut[last].head) = (uint16_t)piece[i].iov_len;
            m->msg_control = &cut[last];
            m->msg_controllen = sizeof cut[last];
            m->msg_iovlen++;
        } else {
            message[++last].msg_hdr = message[i].msg_hdr;
        }
    }
    return last + 1;
}

static void batches(int fd, bool joined)
{
    for (;;) {
        int n = receive(fd);
        if (joined)
            n = join(n);
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
        batches(fd, argc > 2 && !strcmp(argv[2], "--join"));
}
