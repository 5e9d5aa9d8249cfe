/* SPDX-License-Identifier: MIT */
/*
 * load-udp ADDRESS WINDOW SIZE WARM_MS WINDOW_MS SERVER_PID
 *
 * Closed loop over one socket: WINDOW datagrams of SIZE bytes are under way; for each that comes back another
 * one goes out. What does not come back within LOST_MS is taken for lost and sent again. After WARM_MS it
 * counts, for WINDOW_MS, the datagrams that came back, and reads the processor time of SERVER_PID at both
 * ends of the window. Prints messages, lost ones, wall seconds, the server's and its own processor seconds.
 */
#include "../common/net.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1024, SIZE_MAX_ = 1472, LOST_MS = 100 };

static char bytes[SIZE_MAX_], sink[MOST][SIZE_MAX_];
static struct iovec out_piece, in_piece[MOST];
static struct mmsghdr out[MOST], in[MOST];
static unsigned window;
static unsigned long long messages, lost;

static void send_some(int fd, unsigned n)
{
    for (unsigned sent = 0; sent < n;) {
        int r = sendmmsg(fd, out, n - sent, 0);
        if (r <= 0)
            die("sendmmsg");
        sent += (unsigned)r;
    }
}

static void run_until(int fd, uint64_t end)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (now_ns() < end) {
        int n = recvmmsg(fd, in, window, MSG_DONTWAIT, NULL);
        if (n < 0 && errno != EAGAIN)
            die("recvmmsg");
        if (n < 0 && poll(&p, 1, LOST_MS) == 0) {
            lost += window;
            send_some(fd, window);
        }
        if (n > 0) {
            messages += (unsigned)n;
            send_some(fd, (unsigned)n);
        }
    }
}

int main(int argc, char **argv)
{
    errno = 0;
    if (argc != 7)
        die("usage: load-udp ADDRESS WINDOW SIZE WARM_MS WINDOW_MS SERVER_PID");
    uint64_t size = number(argv[3]), warm = number(argv[4]), time = number(argv[5]);
    pid_t server = (pid_t)number(argv[6]);
    window = (unsigned)number(argv[2]);
    if (window < 1 || window > MOST || size > SIZE_MAX_)
        die("WINDOW or SIZE is too large");
    out_piece = (struct iovec){bytes, size};
    for (unsigned i = 0; i < window; i++) {
        in_piece[i] = (struct iovec){sink[i], SIZE_MAX_};
        in[i].msg_hdr = (struct msghdr){.msg_iov = &in_piece[i], .msg_iovlen = 1};
        out[i].msg_hdr = (struct msghdr){.msg_iov = &out_piece, .msg_iovlen = 1};
    }
    int fd = connect_to(argv[1], 0);
    send_some(fd, window);
    run_until(fd, now_ns() + warm * 1000000);

    unsigned long long before = messages, gone = lost;
    uint64_t cpu = process_cpu_ns(server), own = process_cpu_ns(getpid()), start = now_ns();
    run_until(fd, start + time * 1000000);
    double seconds = (double)(now_ns() - start) / 1e9;
    printf("messages=%llu lost=%llu seconds=%.6f server_cpu=%.6f load_cpu=%.6f\n", messages - before,
           lost - gone, seconds, (double)(process_cpu_ns(server) - cpu) / 1e9,
           (double)(process_cpu_ns(getpid()) - own) / 1e9);
    return 0;
}
