/* SPDX-License-Identifier: MIT */
/*
 * limit-frames serve ADDRESS COMMAND...  each connection starts the command and gets its output in frames
 * limit-frames get ADDRESS               takes the frames apart and writes the bodies to standard output
 *
 * The least that streaming a command's output in frames can do: one read of a full pipe and one gathered
 * write for a frame, one large read and one write at the other end. The header never changes its length and
 * is not parsed.
 */
#include "../common/net.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE = 1 << 20, BODY = 128 * 1024, BUFFER = 512 * 1024 };

extern char **environ;

/* The head of a frame: 4 bytes of length, then JSON whose number is padded, so that it is always at the same
 * place. */
struct head {
    uint32_t length;
    char before[20], size[9], after[1];
};

static const struct head template = {
    .length = sizeof template - 4, .before = "{\"cmd\":\"out\",\"size\":", .size = "         ", .after = "}"};

static char buffer[BUFFER];

static pid_t start(char **argv, int *ret_output)
{
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) || fcntl(ends[0], F_SETPIPE_SZ, PIPE) < 0)
        die("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    if (errno)
        die(argv[0]);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *ret_output = ends[0];
    return pid;
}

static void send_frame(int fd, size_t size)
{
    struct head h = template;
    char *digit = h.size + sizeof h.size;
    for (size_t rest = size; rest; rest /= 10)
        *--digit = (char)('0' + rest % 10);
    struct iovec parts[] = {{&h, sizeof h}, {buffer, size}};
    for (size_t left = sizeof h + size; left;) {
        ssize_t n = writev(fd, parts, 2);
        if (n <= 0)
            die("writev");
        left -= (size_t)n;
        for (int i = 0; i < 2; i++) {
            size_t part = (size_t)n < parts[i].iov_len ? (size_t)n : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            n -= (ssize_t)part;
        }
    }
}

static void serve(const char *address, char **argv)
{
    int listener = listen_on(address), fd, output;
    while ((fd = accept_from(listener, 0)) >= 0) {
        ssize_t n;
        pid_t pid = start(argv, &output);
        while ((n = read(output, buffer, BODY)) > 0)
            send_frame(fd, (size_t)n);
        waitpid(pid, NULL, 0);
        close(output);
        close(fd);
    }
}

/* Write out the bodies in the n bytes received; `inside` is what the current body still lacks. Returns bytes
 * used. */
static size_t take_apart(size_t n, size_t *inside)
{
    size_t at = 0;
    while (at < n) {
        if (!*inside) {
            if (n - at < sizeof(struct head))
                break;
            *inside = strtoul(buffer + at + offsetof(struct head, size), NULL, 10);
            at += sizeof(struct head);
        }
        size_t part = n - at < *inside ? n - at : *inside;
        put_all(STDOUT_FILENO, buffer + at, part);
        *inside -= part;
        at += part;
    }
    return at;
}

static void get(const char *address)
{
    size_t filled = 0, inside = 0;
    int fd = connect_to(address, 0);
    ssize_t n;
    while ((n = recv(fd, buffer + filled, sizeof buffer - filled, 0)) > 0) {
        filled += (size_t)n;
        size_t used = take_apart(filled, &inside);
        memmove(buffer, buffer + used, filled - used);
        filled -= used;
    }
}

int main(int argc, char **argv)
{
    errno = 0;
    if (argc > 3 && !strcmp(argv[1], "serve"))
        serve(argv[2], argv + 3);
    if (argc != 3 || strcmp(argv[1], "get"))
        die("usage: limit-frames serve ADDRESS COMMAND... | get ADDRESS");
    get(argv[2]);
    return 0;
}
