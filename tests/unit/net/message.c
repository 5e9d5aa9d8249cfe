/* SPDX-License-Identifier: MIT */
/* Messages: pieces, ancillary data, passed descriptors. Numbers are those of the conformance table. */
#include "net/pairs.h"
#include <fcntl.h>
#include <unistd.h>

/* How many descriptors this process has open. */
static int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* A pipe with a byte in it; the reading end is for passing. */
static int filled_pipe(char byte)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    ssize_t n = write(ends[1], &byte, 1);
    close(ends[1]);
    return n == 1 ? ends[0] : -EIO;
}

static int read_and_close(int fd)
{
    char byte = 0;
    ssize_t n = read(fd, &byte, 1);
    close(fd);
    return n == 1 ? byte : -EIO;
}

static int c107_pieces_are_gathered_and_scattered(void *arg)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    (void)arg;
    for (size_t i = 0; i < 3; i++) {
        struct ly_sock *a, *b;
        char one[] = "ga", two[] = "thered", x[3] = "", y[8] = "";
        struct iovec out[] = {{one, 2}, {two, 6}}, in[] = {{x, 2}, {NULL, 0}, {y, 7}};
        NEED_OK(ly_socketpair_of(&a, &b, AF_UNIX, types[i], 0));
        NEED_INT(ly_sendmsg(a, &(struct ly_sock_message){.iov = out, .iov_count = 2}, 0), 8);
        struct ly_sock_message m = {.iov = in, .iov_count = 3};
        NEED_INT(ly_recvmsg(b, &m, 0), 8);
        NEED(strcmp(x, "ga") == 0 && strcmp(y, "thered") == 0);
        NEED_INT(m.flags & MSG_TRUNC, 0);
        NEED_INT(m.length, 8);
        NEED_INT(out[0].iov_len, 2);
        NEED_INT(in[2].iov_len, 7);
        ly_sock_free(a);
        ly_sock_free(b);
    }
    return 0;
}

static int c106_c107_a_cut_datagram_tells_its_length_apart(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_address to, from, bound;
    char buf[4];
    struct iovec piece = {buf, sizeof buf};
    (void)arg;
    NEED_OK(ly_bind(&a, "udp://127.0.0.1:0", NULL));
    NEED_OK(ly_bind(&b, "udp://127.0.0.1:0", NULL));
    NEED_OK(ly_sock_local(b, &to));
    NEED_OK(ly_sock_local(a, &bound));
    NEED_INT(ly_sendto(a, "longer than that", 16, 0, &to), 16);
    NEED_INT(ly_sendto(a, "fits", 4, 0, &to), 4);
    struct ly_sock_message m = {.iov = &piece, .iov_count = 1, .address = &from};
    NEED_INT(ly_recvmsg(b, &m, 0), 4);
    NEED_INT(m.flags & MSG_TRUNC, MSG_TRUNC);
    NEED_INT(m.length, 16);
    NEED(memcmp(buf, "long", 4) == 0);
    NEED(ly_address_equal(&from, &bound) && from.type == SOCK_DGRAM);
    NEED_INT(ly_recvmsg(b, &m, 0), 4);
    NEED_INT(m.flags & MSG_TRUNC, 0);
    NEED_INT(m.length, 4);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int a_stream_loses_nothing_to_a_short_message(void *arg)
{
    struct ly_sock *a, *b;
    char buf[4];
    struct iovec piece = {buf, sizeof buf};
    (void)arg;
    NEED_OK(tcp_pair(&a, &b));
    NEED_OK(ly_sendall(a, "abcdefgh", 8));
    for (int i = 0; i < 2; i++) {
        struct ly_sock_message m = {.iov = &piece, .iov_count = 1};
        NEED_INT(ly_recvmsg(b, &m, 0), 4);
        NEED_INT(m.flags & MSG_TRUNC, 0);
        NEED(memcmp(buf, i ? "efgh" : "abcd", 4) == 0);
    }
    ly_sock_close(a);
    struct ly_sock_message m = {.iov = &piece, .iov_count = 1};
    NEED_INT(ly_recvmsg(b, &m, 0), 0);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int c135_descriptors_arrive_with_their_message(void *arg)
{
    struct ly_sock *a, *b;
    char buf[8];
    int fds[3], got[4];
    size_t count = 4;
    int flags = -1;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    for (int i = 0; i < 3; i++)
        NEED((fds[i] = filled_pipe((char)('x' + i))) >= 0);
    NEED_INT(ly_send_fds(a, "three", 5, fds, 3), 5);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    NEED_INT(ly_recv_fds(b, buf, sizeof buf, got, &count, &flags), 5);
    NEED_INT(count, 3);
    NEED_INT(flags, 0);
    NEED_INT(fcntl(got[0], F_GETFD), FD_CLOEXEC);
    NEED_OK(ly_fd_set_inheritable(got[0], true));
    NEED_INT(fcntl(got[0], F_GETFD), 0);
    for (int i = 0; i < 3; i++)
        NEED_INT(read_and_close(got[i]), 'x' + i);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int pass_one(struct ly_sock *s)
{
    int fd = filled_pipe('1');
    NEED(fd >= 0);
    NEED_INT(ly_send_fds(s, "one", 3, &fd, 1), 3);
    close(fd);
    return 0;
}

static int descriptors_that_nobody_asked_for_are_closed(void *arg)
{
    struct ly_sock *a, *b;
    char buf[8], control[CMSG_SPACE(sizeof(int)) + 64];
    struct iovec piece = {buf, sizeof buf};
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    int before = open_descriptors();
    NEED_OK(pass_one(a));
    NEED_INT(ly_recv(b, buf, sizeof buf), 3);
    NEED_OK(pass_one(a));
    NEED_INT(ly_recv_flags(b, buf, sizeof buf, MSG_PEEK), 3);
    NEED_INT(ly_recvfrom(b, buf, sizeof buf, 0, NULL), 3);
    NEED_OK(pass_one(a));
    struct ly_sock_message m = {.iov = &piece, .iov_count = 1};
    NEED_INT(ly_recvmsg(b, &m, 0), 3);
    NEED_INT(m.flags & MSG_CTRUNC, MSG_CTRUNC);
    NEED_OK(pass_one(a));
    m = (struct ly_sock_message){
        .iov = &piece, .iov_count = 1, .control = control, .control_length = sizeof control};
    NEED_INT(ly_recvmsg(b, &m, 0), 3);
    NEED_INT(m.flags & MSG_CTRUNC, MSG_CTRUNC);
    NEED_INT(m.control_length, 0);
    NEED_INT(open_descriptors(), before);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int surplus_descriptors_are_closed_and_said(void *arg)
{
    struct ly_sock *a, *b;
    char buf[8];
    int fds[LY_FDS_MAX], got[1], flags;
    size_t count = 1;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    int before = open_descriptors();
    for (size_t i = 0; i < LY_FDS_MAX; i++)
        fds[i] = ly_sock_fileno(a);
    NEED_INT(ly_send_fds(a, "many", 4, fds, LY_FDS_MAX), 4);
    NEED_INT(ly_recv_fds(b, buf, sizeof buf, got, &count, &flags), 4);
    NEED_INT(count, 1);
    NEED_INT(flags & MSG_CTRUNC, MSG_CTRUNC);
    close(got[0]);
    NEED_INT(open_descriptors(), before);
    NEED_INT(ly_send_fds(a, "many", 4, fds, LY_FDS_MAX + 1), -EINVAL);
    count = LY_FDS_MAX + 1;
    NEED_INT(ly_recv_fds(b, buf, sizeof buf, got, &count, &flags), -EINVAL);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int what_cannot_be_passed_is_an_error(void *arg)
{
    struct ly_sock *a, *b;
    char buf[8];
    int fd = -1, flags;
    size_t count = 0;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_INT(ly_send_fds(a, "x", 1, &fd, 1), -EBADF);
    fd = ly_sock_fileno(b);
    NEED_INT(ly_send_fds(a, "", 0, &fd, 1), -EINVAL);
    NEED_OK(ly_sock_set_timeout(b, 0));
    NEED_INT(ly_recv_fds(b, buf, sizeof buf, NULL, &count, &flags), -EAGAIN);
    NEED_INT(ly_send_fds(a, "x", 1, NULL, 0), 1);
    NEED_INT(ly_recv_fds(b, buf, sizeof buf, NULL, &count, &flags), 1);
    ly_sock_free(a);
    ly_sock_free(b);
    NEED_OK(tcp_pair(&a, &b));
    fd = ly_sock_fileno(b);
    NEED_INT(ly_send_fds(a, "x", 1, &fd, 1), -EOPNOTSUPP);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

/* Credentials are ancillary data that the receiver asks for by an option. */
static int other_ancillary_data_stays_beside_descriptors(void *arg)
{
    struct ly_sock *a, *b;
    union {
        struct cmsghdr aligned;
        char bytes[256];
    } control;
    char buf[8];
    int got[1];
    struct iovec piece = {buf, sizeof buf};
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sock_set_int(b, SOL_SOCKET, SO_PASSCRED, 1));
    NEED_OK(pass_one(a));
    struct ly_sock_message m = {.iov = &piece,
                                .iov_count = 1,
                                .control = control.bytes,
                                .control_length = sizeof control.bytes,
                                .fds = got,
                                .fd_count = 1};
    NEED_INT(ly_recvmsg(b, &m, 0), 3);
    NEED_INT(m.fd_count, 1);
    NEED_INT(read_and_close(got[0]), '1');
    NEED_INT(m.control_length, CMSG_SPACE(sizeof(struct ucred)));
    NEED_INT(control.aligned.cmsg_type, SCM_CREDENTIALS);
    struct ucred who;
    memcpy(&who, CMSG_DATA(&control.aligned), sizeof who);
    NEED_INT(who.pid, getpid());
    NEED_OK(pass_one(a)); /* and where only the descriptors are asked for */
    size_t count = 1;
    NEED_INT(ly_recv_fds(b, buf, sizeof buf, got, &count, NULL), 3);
    NEED_INT(read_and_close(got[0]), '1');
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int ancillary_data_is_sent_beside_descriptors(void *arg)
{
    struct ly_sock *a, *b;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(struct ucred)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_CREDENTIALS}};
    struct ucred who = {.pid = getpid(), .uid = getuid(), .gid = getgid()};
    char byte = 'c', large[1100] = "";
    struct iovec piece = {&byte, 1};
    int got[1];
    size_t count = 1;
    (void)arg;
    memcpy(CMSG_DATA(&control.head), &who, sizeof who);
    NEED_OK(ly_socketpair(&a, &b));
    int fd = filled_pipe('2');
    NEED(fd >= 0);
    struct ly_sock_message m = {.iov = &piece,
                                .iov_count = 1,
                                .control = control.bytes,
                                .control_length = sizeof control.bytes,
                                .fds = &fd,
                                .fd_count = 1};
    NEED_INT(ly_sendmsg(a, &m, 0), 1);
    NEED_INT(ly_recv_fds(b, &byte, 1, got, &count, NULL), 1);
    NEED_INT(read_and_close(got[0]), '2');
    m.control = large;
    m.control_length = sizeof large;
    NEED_INT(ly_sendmsg(a, &m, 0), -EINVAL);
    close(fd);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int a_message_waits_as_other_calls_do(void *arg)
{
    struct ly_sock *a, *b;
    char buf[8];
    struct iovec piece = {buf, sizeof buf};
    struct ly_sock_message m = {.iov = &piece, .iov_count = 1};
    (void)arg;
    NEED_OK(ly_socketpair_of(&a, &b, AF_UNIX, SOCK_DGRAM, 0));
    NEED_OK(ly_sock_set_timeout(b, 2));
    NEED_INT(ly_recvmsg(b, &m, 0), -ETIMEDOUT);
    NEED_INT(ly_recvmsg(b, &m, MSG_DONTWAIT), -EAGAIN);
    m.iov_count = 1025;
    NEED_INT(ly_recvmsg(b, &m, 0), -EINVAL);
    NEED_INT(ly_sendmsg(a, &m, 0), -EINVAL);
    ly_sock_close(b);
    m.iov_count = 1;
    NEED_INT(ly_recvmsg(b, &m, 0), -EBADF);
    NEED_INT(ly_recvmsg(b, &m, MSG_OOB), -EBADF);
    NEED_INT(ly_sendmsg(b, &m, 0), -EBADF);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int asking_for_what_is_apart_does_not_hide_what_is_there(void *arg)
{
    struct ly_sock *a, *b;
    char buf[8];
    struct iovec piece = {buf, sizeof buf};
    struct ly_sock_message m = {.iov = &piece, .iov_count = 1};
    (void)arg;
    NEED_OK(tcp_pair(&a, &b));
    NEED_OK(ly_sock_set_timeout(b, 2000));
    NEED_INT(ly_send(a, "x", 1), 1);
    NEED_INT(ly_recv_flags(b, buf, 1, MSG_PEEK), 1);
    NEED_INT(ly_recvmsg(b, &m, MSG_ERRQUEUE), -EAGAIN);
    NEED_INT(ly_recvmsg(b, &m, MSG_OOB), -EINVAL);
    NEED_INT(ly_recv(b, buf, 1), 1);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(c107_pieces_are_gathered_and_scattered),
        BODY(c106_c107_a_cut_datagram_tells_its_length_apart),
        BODY(a_stream_loses_nothing_to_a_short_message),
        BODY(c135_descriptors_arrive_with_their_message),
        BODY(descriptors_that_nobody_asked_for_are_closed),
        BODY(surplus_descriptors_are_closed_and_said),
        BODY(what_cannot_be_passed_is_an_error),
        BODY(other_ancillary_data_stays_beside_descriptors),
        BODY(ancillary_data_is_sent_beside_descriptors),
        BODY(a_message_waits_as_other_calls_do),
        BODY(asking_for_what_is_apart_does_not_hide_what_is_there),
    };
    return EVERYWHERE("net/message", bodies);
}
