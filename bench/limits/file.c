/* SPDX-License-Identifier: MIT */
/*
 * limit-file serve ADDRESS FILE      each connection gets the file by sendfile
 * limit-file get ADDRESS DESTINATION receives it with large reads and writes it into a new file
 *
 * The least that a transfer of one file can do: nothing asked, nothing checked, nothing renamed.
 */
#include "../common/net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, AT_ONCE = 1 << 30 };

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

static void get(const char *address, const char *path)
{
    static char buffer[BUFFER];
    int fd = connect_to(address, 0), file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n;
    if (file < 0)
        die(path);
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        put_all(file, buffer, (size_t)n);
    if (n < 0 || close(file))
        die(path);
}

int main(int argc, char **argv)
{
    errno = 0;
    if (argc == 4 && !strcmp(argv[1], "serve"))
        serve(argv[2], argv[3]);
    if (argc != 4 || strcmp(argv[1], "get"))
        die("usage: limit-file serve ADDRESS FILE | get ADDRESS DESTINATION");
    get(argv[2], argv[3]);
    return 0;
}
