/* SPDX-License-Identifier: MIT */
/*
 * limit-tree serve ADDRESS                the server, for both directions
 * limit-tree get ADDRESS REMOTE LOCAL     copy the files of a remote directory into a local one
 * limit-tree put ADDRESS LOCAL REMOTE     the other way
 *
 * The least that copying many small files can do: one stream of (lengths, name, bytes) without a round trip,
 * large reads and writes on the connection, three system calls for a file at the reading end (open, read,
 * close) and three at the writing end (open, write, close). No modes, no times, no checksum, no temporary
 * names. A file fits in the buffer.
 */
#include "../common/net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 512 * 1024, LARGEST = 128 * 1024, PATH_ROOM = 4096 };

struct entry {
    uint32_t name_length; /* with its NUL; 0 ends the stream */
    uint32_t size;
};

struct request {
    char verb; /* 'g' or 'p' */
    char path[PATH_ROOM];
};

static char buffer[BUFFER];

static size_t pack(int dir, const char *name, char *at)
{
    struct entry e = {.name_length = (uint32_t)strlen(name) + 1};
    char *body = at + sizeof e + e.name_length;
    int file = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = file < 0 ? -1 : read(file, body, LARGEST);
    if (n < 0)
        die(name);
    close(file);
    e.size = (uint32_t)n;
    memcpy(at, &e, sizeof e);
    memcpy(at + sizeof e, name, e.name_length);
    return sizeof e + e.name_length + e.size;
}

static void send_tree(int fd, const char *path)
{
    DIR *d = opendir(path);
    size_t used = 0;
    if (!d)
        die(path);
    for (struct dirent *item; (item = readdir(d));) {
        if (item->d_name[0] == '.')
            continue;
        if (used + LARGEST + PATH_ROOM > sizeof buffer) {
            put_all(fd, buffer, used);
            used = 0;
        }
        used += pack(dirfd(d), item->d_name, buffer + used);
    }
    closedir(d);
    memset(buffer + used, 0, sizeof(struct entry));
    put_all(fd, buffer, used + sizeof(struct entry));
}

/* The bytes of the entry that begins at `at`, or 0 if it is not all there yet. */
static size_t whole(const char *at, size_t there, struct entry *ret)
{
    if (there < sizeof *ret)
        return 0;
    memcpy(ret, at, sizeof *ret);
    size_t all = sizeof *ret + ret->name_length + ret->size;
    if (ret->size > LARGEST || ret->name_length > PATH_ROOM)
        die("bad entry");
    return all <= there ? all : 0;
}

static void unpack(int dir, const char *at, const struct entry *e)
{
    const char *name = at + sizeof *e;
    int file = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        die(name);
    put_all(file, name + e->name_length, e->size);
    close(file);
}

static void receive_tree(int fd, const char *path)
{
    struct entry e = {.name_length = 1};
    size_t filled = 0;
    int dir = (mkdir(path, 0700), open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (dir < 0)
        die(path);
    while (e.name_length) {
        ssize_t n = recv(fd, buffer + filled, sizeof buffer - filled, 0);
        size_t at = 0, length;
        if (n <= 0)
            die("recv");
        filled += (size_t)n;
        while ((length = whole(buffer + at, filled - at, &e)) && e.name_length) {
            unpack(dir, buffer + at, &e);
            at += length;
        }
        if (!length)
            e.name_length = 1; /* cut off: there is more to come */
        memmove(buffer, buffer + at, filled - at);
        filled -= at;
    }
    close(dir);
}

static void serve(const char *address)
{
    static struct request request;
    int listener = listen_on(address);
    for (int fd; (fd = accept_from(listener, 0)) >= 0; close(fd)) {
        if (!get_all(fd, &request, sizeof request))
            continue;
        if (request.verb == 'g') {
            send_tree(fd, request.path);
        } else {
            receive_tree(fd, request.path);
            put_all(fd, "k", 1);
        }
    }
}

static int ask(const char *address, char verb, const char *path)
{
    static struct request request;
    int fd = connect_to(address, 0);
    if (strlen(path) >= sizeof request.path)
        die("path too long");
    request.verb = verb;
    memcpy(request.path, path, strlen(path));
    put_all(fd, &request, sizeof request);
    return fd;
}

int main(int argc, char **argv)
{
    char done;
    errno = 0;
    if (argc == 3 && !strcmp(argv[1], "serve"))
        serve(argv[2]);
    if (argc != 5)
        die("usage: limit-tree serve ADDRESS | get ADDRESS REMOTE LOCAL | put ADDRESS LOCAL REMOTE");
    if (!strcmp(argv[1], "get")) {
        receive_tree(ask(argv[2], 'g', argv[3]), argv[4]);
        return 0;
    }
    int fd = ask(argv[2], 'p', argv[4]);
    send_tree(fd, argv[3]);
    return !get_all(fd, &done, 1);
}
