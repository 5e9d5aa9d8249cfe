/* SPDX-License-Identifier: MIT */
/* C140 and the system's list on multiplexing, S81 to S88. */
#include "pollers.h"
#include <sys/resource.h>

/* ---- C140, S83: select with lists; it does not depend on the poller, so one stands for all ---- */

ROW(C140_select_gives_back_the_ready_ones_in_three_lists, SELECT)
{
    int in[3] = {c->a, c->b, c->a}, out[2] = {c->b, c->a}, urgent[2] = {c->b, c->a};
    struct ly_select_list reads = {in, 3}, writes = {out, 2}, exceptions = {urgent, 2};
    NEED(send(c->b, "x", 1, 0) == 1 && send(c->b, "!", 1, MSG_OOB) == 1);
    int n = 0;
    for (int64_t start = ly_now(); n != 5 && ms_since(start) < SOON;) {
        reads.count = 3;
        writes.count = exceptions.count = 2;
        in[1] = urgent[0] = c->b;
        in[0] = in[2] = urgent[1] = c->a;
        n = ly_select(&reads, &writes, &exceptions, SOON);
        NEED(n > 0);
    }
    NEED(reads.count == 2 && in[0] == c->a && in[1] == c->a); /* as given, twice */
    NEED(writes.count == 2 && out[0] == c->b && out[1] == c->a);
    NEED(exceptions.count == 1 && urgent[0] == c->a);
    return 0;
}

ROW(C140_timeout_0_polls_and_a_negative_one_is_an_error, SELECT)
{
    int in[1] = {c->a};
    struct ly_select_list reads = {in, 1};
    NEED(ly_select(&reads, NULL, NULL, -2) == -EINVAL);
    NEED(reads.count == 1 && in[0] == c->a);
    NEED(ly_select(&reads, NULL, NULL, 0) == 0);
    NEED(reads.count == 0);
    reads.count = 1;
    NEED(send(c->b, "x", 1, 0) == 1);
    NEED(ly_select(&reads, NULL, NULL, LY_FOREVER) == 1);
    return 0;
}

ROW(C140_empty_lists_sleep, SELECT)
{
    struct ly_select_list none = {NULL, 0};
    int64_t start = ly_now();
    NEED(ly_select(NULL, &none, NULL, 15) == 0);
    NEED(ly_now() - start >= 15 * INT64_C(1000000));
    NEED(ly_select(NULL, NULL, NULL, 0) == 0);
    return 0;
}

ROW(C140_a_closed_descriptor_is_an_error, SELECT)
{
    int in[2] = {c->a, -1};
    struct ly_select_list reads = {in, 2};
    NEED(ly_select(&reads, NULL, NULL, 0) == -EBADF);
    in[1] = 1 << 30;
    NEED(ly_select(&reads, NULL, NULL, 0) == -EBADF);
    NEED(reads.count == 2 && in[0] == c->a);
    return 0;
}

/* The macros of the C library would write beyond their sets. */
ROW(S83_select_takes_descriptors_above_FD_SETSIZE, SELECT)
{
    struct rlimit limit;
    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur < 3000 && limit.rlim_max >= 3000) {
        limit.rlim_cur = 3000;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    int high = fcntl(c->a, F_DUPFD_CLOEXEC, 2500), in[2] = {high, c->b};
    struct ly_select_list reads = {in, 2};
    NEED(high >= 2500);
    NEED(send(c->b, "x", 1, 0) == 1);
    NEED(ly_select(&reads, NULL, NULL, SOON) == 1 && in[0] == high);
    NEED(ly_poller_register(c->poller, high, LY_POLL_IN, NULL) == 0);
    NEED(events_within(c, SOON) == LY_POLL_IN && c->event[0].fd == high);
    NEED(ly_poller_unregister(c->poller, high) == 0);
    close(high);
    return 0;
}

/* ---- S81 ---- */

ROW(S81_no_data_yet_the_end_and_an_error_are_told_apart, ALL)
{
    struct ly_sock *s;
    char byte;
    int fd = c->a;
    NEED(ly_sock_from_fd(&s, c->a) == 0);
    c->a = -1;
    NEED(ly_sock_set_timeout(s, 0) == 0);
    NEED(ly_poller_register(c->poller, fd, LY_POLL_IN, NULL) == 0);
    NEED(ly_recv(s, &byte, 1) == -EAGAIN);
    NEED(send(c->b, "x", 1, 0) == 1);
    NEED(events_within(c, SOON) & LY_POLL_IN);
    NEED(ly_recv(s, &byte, 1) == 1 && byte == 'x');
    NEED(ly_recv(s, &byte, 1) == -EAGAIN);
    NEED(shutdown(c->b, SHUT_WR) == 0);
    NEED(events_within(c, SOON) & LY_POLL_IN);
    NEED(ly_recv(s, &byte, 1) == 0);
    struct linger none = {.l_onoff = 1};
    NEED(setsockopt(c->b, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
    close_fd(&c->b);
    NEED(ly_poller_modify(c->poller, fd, LY_POLL_IN | LY_POLL_OUT, NULL) == 0);
    NEED(events_within(c, SOON) != 0);
    ssize_t r;
    for (int64_t start = ly_now(); (r = ly_send(s, "y", 1)) >= 0 && ms_since(start) < SOON;)
        ly_sleep(1);
    NEED(r == -EPIPE || r == -ECONNRESET);
    NEED(ly_poller_unregister(c->poller, fd) == 0);
    ly_sock_free(s);
    return 0;
}

/* ---- S85: each event, produced ---- */

ROW(S85_in, ALL)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    NEED(send(c->b, "x", 1, 0) == 1);
    NEED(events_within(c, SOON) == LY_POLL_IN);
    return 0;
}

ROW(S85_pri, ALL)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_PRI, NULL) == 0);
    NEED(send(c->b, "x", 1, 0) == 1);
    NEED(events_within(c, NOW) == 0);
    NEED(send(c->b, "!", 1, MSG_OOB) == 1);
    NEED(events_within(c, SOON) == LY_POLL_PRI);
    return 0;
}

ROW(S85_out, ALL)
{
    static const char block[65536];
    static char drain[65536];
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_OUT, NULL) == 0);
    NEED(events_within(c, SOON) == LY_POLL_OUT);
    while (send(c->a, block, sizeof block, 0) > 0)
        ;
    NEED(errno == EAGAIN && events_within(c, NOW) == 0);
    int64_t start = ly_now();
    while (events_within(c, NOW) == 0 && ms_since(start) < SOON)
        NEED(recv(c->b, drain, sizeof drain, 0) >= 0 || errno == EAGAIN);
    NEED(events_within(c, SOON) == LY_POLL_OUT);
    return 0;
}

ROW(S85_hup, POLL | EPOLL | URING)
{
    NEED(ly_poller_register(c->poller, c->a, 0, NULL) == 0); /* reported unasked */
    NEED(events_within(c, NOW) == 0);
    NEED(shutdown(c->a, SHUT_WR) == 0 && shutdown(c->b, SHUT_WR) == 0);
    NEED(events_within(c, SOON) == LY_POLL_HUP);
    return 0;
}

ROW(S85_err, POLL | EPOLL | URING)
{
    int end[2];
    NEED(pipe2(end, O_CLOEXEC | O_NONBLOCK) == 0);
    NEED(ly_poller_register(c->poller, end[1], 0, NULL) == 0);
    NEED(events_within(c, NOW) == 0);
    close(end[0]);
    NEED(events_within(c, SOON) == LY_POLL_ERR); /* nobody reads any more */
    NEED(ly_poller_unregister(c->poller, end[1]) == 0);
    close(end[1]);
    return 0;
}

ROW(S85_nval, SELECT | POLL)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    NEED(events_within(c, NOW) == 0);
    close_fd(&c->a);
    NEED(events_within(c, SOON) == LY_POLL_NVAL);
    return 0;
}

/* ---- S86: thousands of idle descriptors ---- */

#define IDLE 3000

static int open_idle(int *fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 2 * IDLE + 100) {
        limit.rlim_cur = limit.rlim_max < 2 * IDLE + 100 ? limit.rlim_max : 2 * IDLE + 100;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    int n = 0;
    while (n < IDLE && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd + 2 * n) == 0)
        n++;
    return n;
}

ROW(S86_thousands_of_idle_descriptors, ALL)
{
    static int fd[2 * IDLE];
    int n = open_idle(fd);
    NEED(n >= 400); /* as many as the system lets us have */
    for (int i = 0; i < n; i++)
        NEED(ly_poller_register(c->poller, fd[2 * i], LY_POLL_IN, &fd[2 * i]) == 0);
    NEED(events_within(c, NOW) == 0);
    for (int i = 0; i < 50; i++) {
        int *busy = &fd[2 * (i * 37 % n)];
        char byte;
        NEED(send(busy[1], "x", 1, 0) == 1);
        NEED(events_within(c, SOON) == LY_POLL_IN && c->event[0].data == busy && c->event[0].fd == *busy);
        NEED(recv(*busy, &byte, 1, 0) == 1);
        NEED(events_within(c, NOW) == 0);
    }
    for (int i = 0; i < n; i++) {
        NEED(ly_poller_unregister(c->poller, fd[2 * i]) == 0);
        close(fd[2 * i]);
        close(fd[2 * i + 1]);
    }
    return 0;
}

/* ---- S88 ---- */

/* One that is always ready does not hide the others, however little room there is. */
ROW(S88_a_flood_does_not_hide_the_others, ALL)
{
    int fd[40], counts[20] = {0};
    for (int i = 0; i < 20; i++) {
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd + 2 * i) == 0);
        NEED(ly_poller_register(c->poller, fd[2 * i], LY_POLL_IN, &counts[i]) == 0);
        NEED(send(fd[2 * i + 1], "x", 1, 0) == 1);
    }
    for (int i = 0; i < 20 * 8; i++) {
        NEED(ly_poller_wait(c->poller, c->event, 1, SOON) == 1);
        ++*(int *)c->event[0].data;
    }
    for (int i = 0; i < 20; i++) {
        NEED(counts[i] > 0);
        close(fd[2 * i + 1]);
        NEED(ly_poller_unregister(c->poller, fd[2 * i]) == 0);
        close(fd[2 * i]);
    }
    return 0;
}

/* A server of three in one thread: one sends half a line and stops, one says nothing, one is served. */
ROW(S88_a_slow_client_does_not_delay_others, ALL)
{
    int fd[6];
    char line[8];
    for (int i = 0; i < 3; i++) {
        NEED(tcp_pair(fd + 2 * i) == 0);
        NEED(ly_poller_register(c->poller, fd[2 * i], LY_POLL_IN, &fd[2 * i]) == 0);
    }
    NEED(send(fd[1], "ha", 2, 0) == 2); /* "half a line", and no more */
    int64_t start = ly_now();
    for (int i = 0; i < 20; i++) {
        bool served = false;
        NEED(send(fd[5], "line\n", 5, 0) == 5);
        while (!served && ms_since(start) < SOON) {
            int n = ly_poller_wait(c->poller, c->event, 16, SOON);
            NEED(n > 0);
            for (int k = 0; k < n; k++) {
                ssize_t got = recv(c->event[k].fd, line, sizeof line, 0);
                served |= c->event[k].fd == fd[4] && got == 5;
            }
        }
        NEED(served);
    }
    for (int i = 0; i < 3; i++)
        NEED(ly_poller_unregister(c->poller, fd[2 * i]) == 0);
    for (int i = 0; i < 6; i++)
        close(fd[i]);
    return 0;
}

POLLERS_MAIN(RUN(C140_select_gives_back_the_ready_ones_in_three_lists),
             RUN(C140_timeout_0_polls_and_a_negative_one_is_an_error), RUN(C140_empty_lists_sleep),
             RUN(C140_a_closed_descriptor_is_an_error), RUN(S83_select_takes_descriptors_above_FD_SETSIZE),
             RUN(S81_no_data_yet_the_end_and_an_error_are_told_apart), RUN(S85_in), RUN(S85_pri),
             RUN(S85_out), RUN(S85_hup), RUN(S85_err), RUN(S85_nval), RUN(S86_thousands_of_idle_descriptors),
             RUN(S88_a_flood_does_not_hide_the_others), RUN(S88_a_slow_client_does_not_delay_others))
