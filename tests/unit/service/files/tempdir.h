/* SPDX-License-Identifier: MIT */
/* A directory of a test's own, and short words for what tests do in it. Paths are relative to it. */
#ifndef LY_TESTS_TEMPDIR_H
#define LY_TESTS_TEMPDIR_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tempdir_path[64];
static int tempdir = -1; /* the directory (O_RDONLY) */

static inline int tempdir_setup(void **state)
{
    (void)state;
    strcpy(tempdir_path, "/tmp/lanyard-test-XXXXXX");
    if (!mkdtemp(tempdir_path))
        return -1;
    tempdir = open(tempdir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return tempdir < 0 ? -1 : 0;
}

static int tempdir_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    (void)remove(path);
    return 0;
}

static inline int tempdir_teardown(void **state)
{
    (void)state;
    close(tempdir);
    return nftw(tempdir_path, tempdir_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void make_dir(const char *path)
{
    if (mkdirat(tempdir, path, 0755) < 0)
        abort();
}

static inline void make_link(const char *target, const char *path)
{
    if (symlinkat(target, tempdir, path) < 0)
        abort();
}

static inline void make_file(const char *path, const char *content)
{
    int fd = openat(tempdir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, content, strlen(content)) != (ssize_t)strlen(content))
        abort();
    close(fd);
}

/* n bytes that repeat only after a long while. */
static inline void make_big(const char *path, size_t n)
{
    FILE *f = fdopen(openat(tempdir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), "w");
    unsigned x = 1;
    for (size_t i = 0; i < n; i++, x = x * 1103515245u + 12345u)
        putc((int)(x >> 16 & 0xff), f);
    if (fclose(f) != 0)
        abort();
}

static inline bool is_there(const char *path)
{
    struct stat st;
    return fstatat(tempdir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The content of a file, in a static buffer; "(none)" if it cannot be read. */
static inline const char *content_of(const char *path)
{
    static char buf[4096];
    int fd = openat(tempdir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return "(none)";
    ssize_t n = read(fd, buf, sizeof buf - 1);
    close(fd);
    buf[n < 0 ? 0 : n] = '\0';
    return buf;
}

static inline int run_in_tempdir(const char *command)
{
    char line[4096];
    (void)snprintf(line, sizeof line, "cd %s && %s", tempdir_path, command);
    return system(line);
}

/* How many names below a directory end in .lanyard-partial. */
static inline int count_partials(void)
{
    char line[256];
    int n = -1;
    (void)snprintf(line, sizeof line, "find %s -name '*.lanyard-partial' | wc -l", tempdir_path);
    FILE *f = popen(line, "re");
    if (!f || fscanf(f, "%d", &n) != 1)
        abort();
    pclose(f);
    return n;
}

#endif
