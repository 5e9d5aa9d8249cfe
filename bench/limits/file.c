/* SPDX-License-Identifier: MIT */
/*
 * limit-file serve ADDRESS FILE      each connection gets the file by sendfile
 * limit-file get ADDRESS DESTINATION receives it with large reads and writes it into a new file
 * limit-file splice ADDRESS DESTINATION  splices it into the new file through a pipe, never seeing a byte
 *
 * The least that a transfer of one file can do: nothing asked, nothing checked, nothing renamed. What splice
 * saves is out of reach for a program that checks what it receives.
 */
#include "../common/net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, AT_ONCE = 1 << 30 };

static void serve(const char *address, const char *path)
{
    int listener = listen_on(address);
    for (;;) {
        int fd = accept_from(listener, 0), file = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || file < 0)
            die(path);
        while (sendfile(fd, file, NULL, AT_ONCE) > 0)
            ;
        close(file);
        close(fd);
    }
}

static void receive(int fd, int file)
{
    static char buffer[BUFFER];
    ssize_t n;
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        put_all(file, buffer, (size_t)n);
    if (n < 0)
        die("recv");
}

static void splice_through(int fd, int file)
{
    int ends[2];
    ssize_t n;
    if (pipe2(ends, O_CLOEXEC) || fcntl(ends[0], F_SETPIPE_SZ, BUFFER) < 0)
        die("pipe");
    while ((n = splice(fd, NULL, ends[1], NULL, BUFFER, SPLICE_F_MOVE)) > 0) {
        for (ssize_t moved; n; n -= moved) {
            moved = splice(ends[0], NULL, file, NULL, (size_t)n, SPLICE_F_MOVE);
            if (moved <= 0)
                die("splice into the file");
        }
    }
    if (n < 0)
        die("splice");
}

static void get(const char *address, const char *path, void (*move)(int fd, int file))
{
    int fd = connect_to(address, 0), file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        die(path);
    move(fd, file);
    if (close(file))
        die(path);
}

int main(int argc, char **argv)
{
    errno = 0;
    if (argc == 4 && !strcmp(argv[1], "serve"))
        serve(argv[2], argv[3]);
    if (argc == 4 && !strcmp(argv[1], "get"))
        get(argv[2], argv[3], receive);
    else if (argc == 4 && !strcmp(argv[1], "splice"))
        get(argv[2], argv[3], splice_through);
    else
        die("usage: limit-file serve ADDRESS FILE | get ADDRESS DESTINATION | splice ADDRESS DESTINATION");
    return 0;
}
