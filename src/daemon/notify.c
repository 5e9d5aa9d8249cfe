/* SPDX-License-Identifier: MIT */
#include "daemon/notify.h"
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int ly__notify(const char *lines)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t n = path ? strlen(path) : 0;
    if (n == 0)
        return 0;
    if ((*path != '/' && *path != '@') || n >= sizeof to.sun_path)
        return -EINVAL;
    memcpy(to.sun_path, path, n);
    if (*path == '@')
        to.sun_path[0] = 0; /* an abstract name */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    ssize_t r = sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&to, length);
    int error = r < 0 ? -errno : 0;
    close(fd);
    return error;
}

/* The manager names the stream that it has given; what this process was started with may have been put
 * elsewhere since. */
bool ly__notify_is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char text[48];
    struct stat st;
    if (!stream || fstat(fd, &st) < 0)
        return false;
    snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(text, stream) == 0;
}

const char *ly__notify_error(void)
{
    return ly__notify_is_journal(STDERR_FILENO) ? "<3>" : "";
}
