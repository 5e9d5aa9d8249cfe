/* SPDX-License-Identifier: MIT */
/* A folder of its own for each test of files: cmocka_unit_test_setup_teardown(test, make_folder,
 * remove_folder). */
#ifndef LY_UNIT_AUTH_FOLDER_H
#define LY_UNIT_AUTH_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static inline int make_folder(void **state)
{
    (void)state;
    /* in memory, if there is such a place: what is brought to a disk waits for it */
    bool in_memory = access("/dev/shm", W_OK | X_OK) == 0;
    (void)snprintf(folder, sizeof folder, "%s/ly-auth-XXXXXX", in_memory ? "/dev/shm" : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        (void)closedir(d);
    return rmdir(folder);
}

/* The path of a file in it. */
static inline const char *in_folder(const char *name)
{
    static char path[sizeof folder + 64];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline int write_file(const char *name, const char *text, mode_t mode)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t n = strlen(text);
    if (fd < 0)
        return -1;
    int r = write(fd, text, n) == (ssize_t)n && fchmod(fd, mode) == 0 ? 0 : -1;
    return close(fd) == 0 ? r : -1;
}

/* Its content, up to cap - 1 bytes; "" where it cannot be read. */
static inline char *read_file(const char *name, char *buf, size_t cap)
{
    int fd = open(in_folder(name), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, buf, cap - 1);
    buf[n > 0 ? n : 0] = 0;
    if (fd >= 0)
        (void)close(fd);
    return buf;
}

#endif
