/* SPDX-License-Identifier: MIT */
/* Part J: sending files. */
#include "places.h"

#define BIG ((int64_t)6 << 20) /* more than any socket holds, and than is sent in one go */

static int temporary_file(const void *bytes, size_t n)
{
    char path[] = "/tmp/lanyard-files-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    unlink(path);
    return write(fd, bytes, n) == (ssize_t)n ? fd : -1;
}

static bool arrives(struct ly_sock *s, const char *text)
{
    char buf[32];
    size_t n = strlen(text);
    return ly_recvall(s, buf, n) == (ssize_t)n && memcmp(buf, text, n) == 0 &&
           ly_recv_flags(s, buf, 1, MSG_DONTWAIT) == -EAGAIN;
}

ROW(C123_S49_a_part_or_all_is_sent_and_the_position_is_behind_it, BOTH)
{
    int fd = temporary_file("0123456789", 10);
    NEED(ly_sendfile(p->a, fd, 2, 4) == 4 && arrives(p->b, "2345"));
    NEED(lseek(fd, 0, SEEK_CUR) == 6);
    NEED(ly_sendfile(p->a, fd, 7, 0) == 3 && arrives(p->b, "789"));
    NEED(lseek(fd, 0, SEEK_CUR) == 10);
    close(fd);
    return 0;
}

ROW(C123_after_an_error_too_the_position_is_behind_what_was_sent, BOTH)
{
    int fd = temporary_file("", 0);
    NEED(ftruncate(fd, 64 << 20) == 0);
    NEED(ly_sock_set_timeout(p->a, 20) == 0);
    NEED(ly_sendfile(p->a, fd, 0, 0) == -ETIMEDOUT);
    off_t at = lseek(fd, 0, SEEK_CUR);
    NEED(at > 0 && at < 64 << 20);
    close(fd);
    return 0;
}

ROW(C124_more_than_there_is_sends_the_rest, BOTH)
{
    int fd = temporary_file("0123456789", 10), empty = temporary_file("", 0);
    NEED(ly_sendfile(p->a, fd, 8, 100) == 2 && arrives(p->b, "89"));
    NEED(lseek(fd, 3, SEEK_SET) == 3);
    NEED(ly_sendfile(p->a, fd, 10, 0) == 0 && ly_sendfile(p->a, fd, 11, 5) == 0);
    NEED(lseek(fd, 0, SEEK_CUR) == 3);
    NEED(ly_sendfile(p->a, fd, 0, -1) == -EINVAL && ly_sendfile(p->a, fd, -1, 0) == -EINVAL);
    NEED(ly_sendfile(p->a, empty, 0, 0) == 0);
    NEED(arrives(p->b, ""));
    close(fd);
    close(empty);
    return 0;
}

ROW(C125_offset_0_is_the_start_of_the_file_on_both_paths, BOTH)
{
    char direct[64], sent[64];
    int fd = temporary_file("0123456789", 10), unsized = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    NEED(lseek(fd, 7, SEEK_SET) == 7);
    NEED(ly_sendfile(p->a, fd, 0, 4) == 4 && arrives(p->b, "0123"));
    NEED(pread(unsized, direct, 8, 0) == 8 && lseek(unsized, 5, SEEK_SET) == 5);
    NEED(ly_sendfile(p->a, unsized, 0, 8) == 8);
    NEED(ly_recvall(p->b, sent, 8) == 8 && memcmp(sent, direct, 8) == 0);
    close(fd);
    close(unsized);
    return 0;
}

ROW(C126_what_cannot_wait_or_has_borders_is_refused, BOTH)
{
    struct ly_sock *udp;
    int fd = temporary_file("x", 1);
    NEED(ly_sock_set_timeout(p->a, 0) == 0);
    NEED(ly_sendfile(p->a, fd, 0, 0) == -EINVAL);
    NEED(ly_socket(&udp, AF_INET, SOCK_DGRAM, 0) == 0);
    NEED(ly_sendfile(udp, fd, 0, 0) == -EINVAL);
    NEED(arrives(p->b, ""));
    ly_sock_free(udp);
    close(fd);
    return 0;
}

ROW(C127_C128_what_the_kernel_does_not_send_is_read_and_sent, BOTH)
{
    int ends[2], proc = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    char direct[32] = "";
    NEED(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "piped", 5) == 5);
    close(ends[1]);
    NEED(ly_sendfile(p->a, ends[0], 0, 0) == 5 && arrives(p->b, "piped"));
    ssize_t n = pread(proc, direct, sizeof direct - 1, 0);
    NEED(n > 0 && ly_sendfile(p->a, proc, 0, 0) == n && arrives(p->b, direct));
    close(ends[0]);
    close(proc);
    return 0;
}

/* A reader that takes a little now and then until the time is over, and then all. */
struct slow {
    struct ly_sock *sock;
    int64_t until;
    int64_t got;
};

static int read_slowly(void *arg)
{
    struct slow *r = arg;
    static char buf[1 << 20]; /* much, so that no wait for room comes near the time-out */
    ssize_t n;
    while ((n = ly_recv(r->sock, buf, sizeof buf)) > 0) {
        r->got += n;
        if (ly_now() < r->until)
            ly_sleep(20);
    }
    return (int)n;
}

static int send_to_reader(struct place *p, int64_t size, int64_t slow_ms, int64_t *ret_ms)
{
    struct slow reader = {.sock = p->b, .until = ly_deadline(slow_ms)};
    struct ly_scope *scope;
    int64_t start = ly_now();
    int fd = temporary_file("", 0);
    NEED(ftruncate(fd, size) == 0);
    NEED(ly_scope_open(&scope, NULL) == 0 && ly_go(scope, read_slowly, &reader) == 0);
    int64_t sent = ly_sendfile(p->a, fd, 0, 0);
    *ret_ms = ms_since(start);
    ly_shutdown(p->a, SHUT_WR);
    ly_scope_join(scope);
    ly_scope_close(scope);
    close(fd);
    NEED(sent == size && reader.got == size);
    return 0;
}

ROW(C129_the_timeout_bounds_each_wait_and_not_the_whole, TCP)
{
    int64_t ms = 0;
    NEED(ly_sock_set_timeout(p->a, 1500) == 0);
    NEED(send_to_reader(p, 30 * BIG, 1800, &ms) == 0);
    NEED(ms > 1500);
    return 0;
}

ROW(C130_partial_results_are_gone_on_with, BOTH)
{
    int64_t ms;
    return send_to_reader(p, BIG, 0, &ms);
}

PLACES_MAIN(RUN(C123_S49_a_part_or_all_is_sent_and_the_position_is_behind_it),
            RUN(C123_after_an_error_too_the_position_is_behind_what_was_sent),
            RUN(C124_more_than_there_is_sends_the_rest),
            RUN(C125_offset_0_is_the_start_of_the_file_on_both_paths),
            RUN(C126_what_cannot_wait_or_has_borders_is_refused),
            RUN(C127_C128_what_the_kernel_does_not_send_is_read_and_sent),
            RUN(C129_the_timeout_bounds_each_wait_and_not_the_whole),
            RUN(C130_partial_results_are_gone_on_with))
