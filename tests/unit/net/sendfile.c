/* SPDX-License-Identifier: MIT */
#include "everywhere.h"
#include <fcntl.h>
#include <lanyard/socket.h>
#include <unistd.h>

#define BIG ((int64_t)9 << 20) /* more than any socket holds, and than a fiber sends in one go */

static int temporary_file(const void *bytes, size_t n)
{
    char path[] = "/tmp/lanyard-sendfile-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    unlink(path);
    if (write(fd, bytes, n) != (ssize_t)n)
        return -1;
    return fd;
}

static int a_part_of_a_file_arrives_and_moves_its_position(void *arg)
{
    struct ly_sock *a, *b;
    char buf[32];
    int fd = temporary_file("0123456789", 10);
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_INT(lseek(fd, 7, SEEK_SET), 7);
    NEED_INT(ly_sendfile(a, fd, 2, 4), 4);
    NEED_INT(ly_recv(b, buf, sizeof buf), 4);
    NEED(memcmp(buf, "2345", 4) == 0);
    NEED_INT(lseek(fd, 0, SEEK_CUR), 6);
    NEED_INT(ly_sendfile(a, fd, 0, 0), 10); /* the start, wherever the position is */
    NEED_INT(ly_recv(b, buf, sizeof buf), 10);
    NEED_INT(ly_sendfile(a, fd, 8, 100), 2);
    NEED_INT(ly_recv(b, buf, sizeof buf), 2);
    NEED_INT(lseek(fd, 3, SEEK_SET), 3);
    NEED_INT(ly_sendfile(a, fd, 10, 0), 0); /* at the end: nothing, and nothing moves */
    NEED_INT(ly_sendfile(a, fd, 99, 5), 0);
    NEED_INT(lseek(fd, 0, SEEK_CUR), 3);
    ly_sock_free(a);
    ly_sock_free(b);
    close(fd);
    return 0;
}

static int wrong_arguments_are_refused_before_anything_is_sent(void *arg)
{
    struct ly_sock *a, *b, *u;
    char c;
    int fd = temporary_file("x", 1);
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_socket(&u, AF_INET, SOCK_DGRAM, 0));
    NEED_INT(ly_sendfile(a, fd, -1, 0), -EINVAL);
    NEED_INT(ly_sendfile(a, fd, 0, -1), -EINVAL);
    NEED_INT(ly_sendfile(u, fd, 0, 0), -EINVAL);
    NEED_INT(ly_sendfile(a, -1, 0, 0), -EBADF);
    NEED_OK(ly_sock_set_timeout(a, 0));
    NEED_INT(ly_sendfile(a, fd, 0, 0), -EINVAL);
    NEED_OK(ly_sock_set_timeout(b, 0));
    NEED_INT(ly_recv(b, &c, 1), -EAGAIN);
    ly_sock_free(a);
    ly_sock_free(b);
    ly_sock_free(u);
    close(fd);
    return 0;
}

static int a_file_without_a_size_is_read_and_sent(void *arg)
{
    struct ly_sock *a, *b;
    char sent[512], direct[512];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    ssize_t size = pread(fd, direct, sizeof direct, 0);
    NEED(size > 4);
    NEED_INT(ly_sendfile(a, fd, 3, 0), size - 3);
    NEED_INT(ly_recv(b, sent, sizeof sent), size - 3);
    NEED(memcmp(sent, direct + 3, (size_t)size - 3) == 0);
    NEED_INT(lseek(fd, 0, SEEK_CUR), size);
    ly_sock_free(a);
    ly_sock_free(b);
    close(fd);
    return 0;
}

static int write_later(void *arg)
{
    const int *fd = arg;
    NEED_OK(ly_sleep(1));
    NEED_INT(write(*fd, "late", 4), 4);
    close(*fd);
    return 0;
}

static int a_pipe_is_read_to_its_end_and_waited_for(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    int fd[2];
    char buf[32];
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(pipe2(fd, O_CLOEXEC));
    NEED_INT(write(fd[1], "soon", 4), 4);
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_go(scope, write_later, &fd[1]));
    NEED_INT(ly_sendfile(a, fd[0], 0, 0), 8);
    NEED_INT(ly_recvall(b, buf, 8), 8);
    NEED(memcmp(buf, "soonlate", 8) == 0);
    NEED_INT(fcntl(fd[0], F_GETFL) & O_NONBLOCK, 0);
    ly_scope_close(scope);
    ly_sock_free(a);
    ly_sock_free(b);
    close(fd[0]);
    return 0;
}

struct big {
    struct ly_sock *sock;
    int64_t got;
};

static int receive_big(void *arg)
{
    struct big *big = arg;
    char *buf = malloc(1 << 16);
    ssize_t n;
    NEED(buf);
    while ((n = ly_recv(big->sock, buf, 1 << 16)) > 0) {
        for (ssize_t i = 0; i < n; i += 4096 - big->got % 4096)
            NEED_INT((unsigned char)buf[i], (unsigned char)((big->got + i) / 4096 * 7));
        big->got += n;
    }
    free(buf);
    return (int)n;
}

/* A file whose every page has another byte. */
static int big_file(void)
{
    int fd = temporary_file("", 0);
    char page[4096];
    for (int64_t at = 0; at < BIG; at += 4096) {
        memset(page, (int)(at / 4096 * 7 & 255), sizeof page);
        if (write(fd, page, sizeof page) != sizeof page)
            return -1;
    }
    return fd;
}

static int send_big_over(struct ly_sock *a, struct ly_sock *b)
{
    struct ly_scope *scope;
    struct ly_future *reader;
    struct big big = {.sock = b};
    int fd = big_file();
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_async(scope, &reader, receive_big, &big));
    NEED_INT(ly_sendfile(a, fd, 0, 0), BIG);
    NEED_OK(ly_shutdown(a, SHUT_WR));
    NEED_OK(ly_await(reader, NULL));
    NEED_INT(big.got, BIG);
    ly_scope_close(scope);
    ly_sock_free(a);
    ly_sock_free(b);
    close(fd);
    return 0;
}

static int a_file_larger_than_the_socket_holds_arrives_over_unix(void *arg)
{
    struct ly_sock *a, *b;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    return send_big_over(a, b);
}

static int a_file_larger_than_the_socket_holds_arrives_over_tcp(void *arg)
{
    struct ly_sock *l, *a, *b;
    struct ly_address at;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", NULL));
    NEED_OK(ly_sock_local(l, &at));
    ly_address_format(&at, text, sizeof text);
    NEED_OK(ly_connect(&a, text, NULL));
    NEED_OK(ly_accept(l, &b, NULL));
    ly_sock_free(l);
    return send_big_over(a, b);
}

static int the_timeout_bounds_each_wait(void *arg)
{
    struct ly_sock *a, *b;
    int fd = big_file();
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sock_set_timeout(a, 10));
    NEED_INT(ly_sendfile(a, fd, 0, 0), -ETIMEDOUT);
    int64_t sent = lseek(fd, 0, SEEK_CUR);
    NEED(sent > 0 && sent < BIG); /* the position tells how far it came */
    ly_sock_free(a);
    ly_sock_free(b);
    close(fd);
    return 0;
}

static int a_closed_peer_is_an_error_and_no_signal(void *arg)
{
    struct ly_sock *a, *b;
    int fd = temporary_file("x", 1);
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    ly_sock_close(b);
    NEED_INT(ly_sendfile(a, fd, 0, 0), -EPIPE);
    ly_sock_close(a);
    NEED_INT(ly_sendfile(a, fd, 0, 0), -EBADF);
    NEED_INT(ly_sendfile(a, fd, 1, 0), -EBADF);
    ly_sock_free(a);
    ly_sock_free(b);
    close(fd);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(a_part_of_a_file_arrives_and_moves_its_position),
        BODY(wrong_arguments_are_refused_before_anything_is_sent),
        BODY(a_file_without_a_size_is_read_and_sent),
        BODY(a_pipe_is_read_to_its_end_and_waited_for),
        BODY(a_file_larger_than_the_socket_holds_arrives_over_unix),
        BODY(a_file_larger_than_the_socket_holds_arrives_over_tcp),
        BODY(the_timeout_bounds_each_wait),
        BODY(a_closed_peer_is_an_error_and_no_signal),
    };
    return EVERYWHERE("net/sendfile", bodies);
}
