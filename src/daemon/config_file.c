/* SPDX-License-Identifier: MIT */
/*
 * lanyard.conf: a setting a line, "key = value". '#' begins a comment at a line's start and after a blank.
 * The file says who may connect and what is served, so it counts only if nobody else could have written it.
 */
#include "daemon/config_tell.h"
#include "daemon/nearest.h"
#include "daemon/place.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLANKS " \t\r"

/* ---- its text ---- */

static char *trim(char *text)
{
    text += strspn(text, BLANKS);
    size_t n = strlen(text);
    while (n > 0 && strchr(BLANKS, text[n - 1]))
        n--;
    text[n] = 0;
    return text;
}

static void drop_comment(char *line)
{
    for (char *p = line; (p = strchr(p, '#')); p++) {
        if (p == line || strchr(BLANKS, p[-1])) {
            *p = 0;
            return;
        }
    }
}

static void refuse_key(const char *where, const char *name, const struct ly__config_sink *sink)
{
    struct ly__nearest nearest;
    ly__nearest_init(&nearest, name, strlen(name));
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++)
        ly__nearest_try(&nearest, ly__config_keys[i].name);
    if (nearest.name)
        ly__config_tell(sink, where, "there is no key '%s'; did you mean '%s'?", name, nearest.name);
    else
        ly__config_tell(sink, where, "there is no key '%s'", name);
}

static int parse_line(struct ly__config *c, char *line, unsigned number, const struct ly__config_sink *sink)
{
    char where[PATH_MAX + 16];
    drop_comment(line);
    line = trim(line);
    if (!*line)
        return 0;
    snprintf(where, sizeof where, "%s:%u", c->path, number);
    char *value = strchr(line, '=');
    if (!value) {
        ly__config_tell(sink, where, "a line is 'key = value', not '%s'", line);
        return LY_EFIELD;
    }
    *value++ = 0;
    char *name = trim(line);
    size_t key = ly__config_find(name, strlen(name));
    if (key < LY__CONFIG_KEYS)
        return ly__config_add(c, key, trim(value), LY__FROM_FILE, number, where, sink);
    refuse_key(where, name, sink);
    return LY_EFIELD;
}

int ly__config_parse(struct ly__config *c, char *text, size_t n, const struct ly__config_sink *sink)
{
    char *end = text + n;
    int r = 0;
    if (memchr(text, 0, n)) {
        ly__config_tell(sink, c->path, "it is no text: there is a zero byte in it");
        return LY_EFIELD;
    }
    for (unsigned number = 1; text < end; number++) {
        char *line = text;
        text = memchr(line, '\n', (size_t)(end - line));
        text = text ? text : end;
        *text++ = 0;
        if (parse_line(c, line, number, sink) < 0)
            r = LY_EFIELD;
    }
    return r;
}

/* ---- the file ---- */

static int check(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    bool trusted = st.st_uid == geteuid() || st.st_uid == 0;
    return trusted && !(st.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : -EPERM;
}

/* All of it, with a zero byte behind. */
static int read_all(int fd, char *text, size_t *ret_n)
{
    size_t n = 0;
    for (;;) {
        ssize_t r = read(fd, text + n, LY__CONFIG_FILE_MAX + 1 - n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        n += (size_t)r;
        if (n > LY__CONFIG_FILE_MAX)
            return LY_ETOOBIG;
        if (r == 0)
            break;
    }
    text[n] = 0;
    *ret_n = n;
    return 0;
}

static int read_file(struct ly__config *c, size_t *ret_n)
{
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int r = check(fd);
    if (r == 0) {
        c->text = malloc(LY__CONFIG_FILE_MAX + 2);
        r = c->text ? read_all(fd, c->text, ret_n) : -ENOMEM;
    }
    close(fd);
    return r;
}

static const char *explain(int error)
{
    return error == -EPERM       ? "it belongs to somebody else, or others may write to it"
           : error == -EINVAL    ? "it is no plain file"
           : error == LY_ETOOBIG ? "it is too long"
                                 : ly_error_text(error);
}

/* Into c->path. -ENOENT: there is none, but it would be there. */
static int find_file(struct ly__config *c)
{
    int r = c->named ? 0 : ly__place_config(c->path, sizeof c->path);
    if ((r < 0 && r != -ENOENT) || (r < 0 && !*c->path))
        return r;
    size_t n = c->named ? 0 : strlen(c->path), room = sizeof c->path - n;
    int length = snprintf(c->path + n, room, "%s", c->named ? c->named : "/" LY__CONFIG_FILE);
    return length < 0 || (size_t)length >= room ? LY_ETOOBIG : r;
}

int ly__config_read(struct ly__config *c, const struct ly__config_sink *sink)
{
    size_t n = 0;
    int r = find_file(c);
    if (r == 0)
        r = read_file(c, &n);
    if (r == -ENOENT && !c->named)
        return 0;
    if (r < 0) {
        ly__config_tell(sink, c->path, "%s", explain(r));
        return r;
    }
    c->has_file = true;
    return ly__config_parse(c, c->text, n, sink);
}
