/* SPDX-License-Identifier: MIT */
#include "everywhere.h"
#include <fcntl.h>
#include <lanyard/process.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

/* Both ends of a pipe, wrapped. */
static int open_pair(struct ly_pipe **ret_in, struct ly_pipe **ret_out)
{
    int fd[2];
    NEED_OK(pipe2(fd, O_CLOEXEC));
    NEED_OK(ly_pipe_from_fd(ret_in, fd[0]));
    return ly_pipe_from_fd(ret_out, fd[1]);
}

static int write_it(void *arg)
{
    enum { SIZE = 300000 };
    struct ly_pipe *p = arg;
    char *data = calloc(1, SIZE);
    NEED(data);
    int r = ly_pipe_writeall(p, data, SIZE);
    free(data);
    ly_pipe_close(p);
    return r;
}

/* What is written at one end comes out at the other, more than it holds; then the end. */
static int pass_through(struct ly_pipe *in, struct ly_pipe *out)
{
    struct ly_scope *scope;
    struct ly_future *f;
    char buf[7000];
    long long total = 0;
    ssize_t n;
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_async(scope, &f, write_it, out));
    while ((n = ly_pipe_read(in, buf, sizeof buf)) > 0)
        total += n;
    NEED_INT(n, 0);
    NEED_INT(total, 300000);
    NEED_OK(ly_await(f, NULL));
    ly_scope_close(scope);
    return 0;
}

static int more_than_a_pipe_holds_passes_through_it(void *arg)
{
    struct ly_pipe *in, *out;
    (void)arg;
    NEED_OK(open_pair(&in, &out));
    NEED_OK(pass_through(in, out));
    ly_pipe_close(in);
    ly_pipe_close(NULL);
    return 0;
}

static int the_open_file_that_others_share_stays_blocking(void *arg)
{
    struct ly_pipe *in, *out;
    int fd[2], shared[2];
    (void)arg;
    NEED_OK(pipe2(fd, O_CLOEXEC));
    for (int i = 0; i < 2; i++)
        shared[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, 0); /* as in the shell that started us */
    NEED_OK(ly_pipe_from_fd(&in, fd[0]));
    NEED_OK(ly_pipe_from_fd(&out, fd[1]));
    for (int i = 0; i < 2; i++) {
        NEED_INT(fcntl(shared[i], F_GETFL) & O_NONBLOCK, 0);
        close(shared[i]);
    }
    NEED_OK(pass_through(in, out));
    ly_pipe_close(in);
    return 0;
}

static int a_socket_serves_as_well(void *arg)
{
    struct ly_pipe *in, *out;
    int fd[2];
    (void)arg;
    NEED_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
    NEED_OK(ly_pipe_from_fd(&in, fd[0]));
    NEED_OK(ly_pipe_from_fd(&out, fd[1]));
    NEED_INT(fcntl(ly_pipe_fileno(in), F_GETFL) & O_NONBLOCK, 0);
    NEED_OK(pass_through(in, out));
    ly_pipe_close(in);
    return 0;
}

static int a_terminal_stays_blocking_and_can_be_waited_for(void *arg)
{
    struct ly_pipe *p;
    char buf[16], name[64];
    struct termios raw;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    (void)arg;
    NEED(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    NEED_OK(ptsname_r(master, name, sizeof name));
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    NEED_OK(tcgetattr(fd, &raw));
    cfmakeraw(&raw);
    NEED_OK(tcsetattr(fd, TCSANOW, &raw));
    NEED_OK(ly_pipe_from_fd(&p, fd));
    NEED_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    NEED_INT(ly_pipe_wait(p, 5), -ETIMEDOUT);
    NEED_INT(write(master, "key", 3), 3);
    NEED_OK(ly_pipe_wait(p, LY_FOREVER));
    NEED_INT(ly_pipe_read(p, buf, sizeof buf), 3);
    NEED_OK(ly_pipe_writeall(p, "echo", 4));
    NEED_INT(read(master, buf, sizeof buf), 4);
    ly_pipe_close(p);
    close(master);
    return 0;
}

static int a_file_is_read_to_its_end(void *arg)
{
    struct ly_pipe *p;
    char path[] = "/tmp/lanyard-pipe-XXXXXX", buf[16];
    int fd = mkostemp(path, O_CLOEXEC);
    (void)arg;
    unlink(path);
    NEED_INT(write(fd, "text", 4), 4);
    NEED_INT(lseek(fd, 0, SEEK_SET), 0);
    NEED_OK(ly_pipe_from_fd(&p, fd));
    NEED_OK(ly_pipe_wait(p, 0));
    NEED_INT(ly_pipe_read(p, buf, sizeof buf), 4);
    NEED_INT(ly_pipe_read(p, buf, sizeof buf), 0);
    NEED_OK(ly_pipe_writeall(p, "more", 4));
    ly_pipe_close(p);
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    NEED_OK(ly_pipe_from_fd(&p, fd));
    NEED_INT(ly_pipe_read(p, buf, sizeof buf), 0);
    NEED_OK(ly_pipe_writeall(p, "gone", 4));
    ly_pipe_close(p);
    return 0;
}

static int writing_to_nobody_is_an_error_and_no_signal(void *arg)
{
    struct ly_pipe *in, *out;
    (void)arg;
    NEED_OK(open_pair(&in, &out));
    ly_pipe_close(in);
    NEED_INT(ly_pipe_writeall(out, "x", 1), -EPIPE);
    NEED_OK(ly_pipe_writeall(out, "", 0));
    ly_pipe_close(out);
    return 0;
}

static int a_wait_ends_at_its_timeout_or_at_the_first_byte(void *arg)
{
    struct ly_pipe *in, *out;
    (void)arg;
    NEED_OK(open_pair(&in, &out));
    NEED_INT(ly_pipe_wait(in, 0), -ETIMEDOUT);
    int64_t start = ly_now();
    NEED_INT(ly_pipe_wait(in, 10), -ETIMEDOUT);
    NEED_INT(ly_pipe_wait(in, -2), -EINVAL);
    NEED(ly_now() - start >= 10 * 1000000);
    NEED_OK(ly_pipe_writeall(out, "x", 1));
    NEED_OK(ly_pipe_wait(in, 0));
    NEED_OK(ly_pipe_wait(in, LY_FOREVER));
    ly_pipe_close(out);
    ly_pipe_close(in);
    return 0;
}

/* Calls of write so far, of the whole process. */
static long long writes(void)
{
    char text[512] = "";
    FILE *f = fopen("/proc/self/io", "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    const char *at = n > 0 ? strstr(text, "syscw: ") : NULL;
    if (f)
        fclose(f);
    return at ? strtoll(at + 7, NULL, 10) : 0;
}

static int what_never_waits_is_written_at_once(void *arg)
{
    static const char much[1 << 20];
    struct ly_pipe *p;
    (void)arg;
    NEED_OK(ly_pipe_from_fd(&p, open("/dev/null", O_WRONLY | O_CLOEXEC)));
    long long before = writes();
    NEED_OK(ly_pipe_writeall(p, much, sizeof much));
    NEED(writes() - before < 16); /* 256 of what a terminal takes at a time */
    ly_pipe_close(p);
    NEED_OK(ly_pipe_from_fd(&p, open("/dev/full", O_WRONLY | O_CLOEXEC)));
    NEED_INT(ly_pipe_writeall(p, much, sizeof much), -ENOSPC);
    ly_pipe_close(p);
    return 0;
}

static int what_is_no_descriptor_is_refused(void *arg)
{
    struct ly_pipe *p = NULL;
    (void)arg;
    NEED_INT(ly_pipe_from_fd(&p, -1), -EBADF);
    NEED_INT(ly_pipe_from_fd(&p, 1 << 20), -EBADF);
    NEED(p == NULL);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(more_than_a_pipe_holds_passes_through_it),
        BODY(the_open_file_that_others_share_stays_blocking),
        BODY(a_socket_serves_as_well),
        BODY(a_terminal_stays_blocking_and_can_be_waited_for),
        BODY(a_file_is_read_to_its_end),
        BODY(writing_to_nobody_is_an_error_and_no_signal),
        BODY(a_wait_ends_at_its_timeout_or_at_the_first_byte),
        BODY(what_never_waits_is_written_at_once),
        BODY(what_is_no_descriptor_is_refused),
    };
    return EVERYWHERE("net/pipe", bodies);
}
