/* SPDX-License-Identifier: MIT */
#include "cli/local.h"

#include "cli/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ly__local_inside(struct ly__local *l, const char *directory, const char *name, unsigned long length)
{
    if (length >= sizeof l->name)
        return -ENAMETOOLONG;
    l->dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (l->dir < 0)
        return -errno;
    memcpy(l->name, length ? name : ".", length ? length : 1);
    l->name[length ? length : 1] = '\0';
    return 0;
}

int ly__local_open(struct ly__local *l, const char *path)
{
    const char *name;
    size_t n = ly__last_name(path, &name);
    if (n == 0)
        return ly__local_inside(l, path, "", 0);
    if (name == path)
        return ly__local_inside(l, ".", name, n);
    char *directory = strndup(path, (size_t)(name - path));
    int r = directory ? ly__local_inside(l, directory, name, n) : -ENOMEM;
    free(directory);
    return r;
}

void ly__local_close(struct ly__local *l)
{
    if (l->dir >= 0)
        close(l->dir);
    l->dir = -1;
}

bool ly__local_is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool ly__local_is_special(const char *path)
{
    static const char open_files[] = "/proc/"; /* what /dev/stdout is a link to, whatever that is now */
    char to[sizeof open_files - 1];
    struct stat st;
    if (readlink(path, to, sizeof to) == (ssize_t)sizeof to && memcmp(to, open_files, sizeof to) == 0)
        return true;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}
