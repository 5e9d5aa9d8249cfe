/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: a class modelled on TCPServer that takes and gives files:
 * 003_upload_server [host] [port] [directory]
 *
 * Bytes: int n (4 bytes, native), n bytes of JSON. {"cmd": "put", "filename": "a.txt", "filesize": 11} is
 * followed by the file and not answered; {"cmd": "get", "filename": "s1.bin"} is answered by int n, n bytes
 * of {"filesize": 1, "isfile": true}, and the file; or by {"isfile": false}. Directory: ./download.
 *
 * The toy swallows the next request when it comes together with the end of a file, spins for ever when a
 * sender leaves, calls any method that a request names, and follows ../ out of its directory both ways. Here
 * the stream keeps what is read ahead, an early end is an error and leaves no file, commands are rows of a
 * table, and a name is looked up beneath the directory or not at all. get is sent at once (TCP_NODELAY),
 * where the toy loses 88 ms.
 */
#include "python_form.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_MAX ((int64_t)1 << 40) /* longest file that is taken */

struct session {
    struct ly_stream *stream;
    struct ly_buffer head;  /* of an answer */
    char name[PATH_MAX];    /* that the request gives */
    const char *base;       /* its last part */
    struct ly_json request; /* until the stream is read */
    int directory;          /* where base lies; -1: nowhere beneath ours */
};

static const char *root_name;
static int root;

/* Open the directory of the request's name, never one that is not beneath ours. */
static void find_directory(struct session *s)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    char *slash = strrchr(s->name, '/');
    s->base = slash ? slash + 1 : s->name;
    s->directory = -1;
    if (!*s->base || strcmp(s->base, ".") == 0 || strcmp(s->base, "..") == 0 || s->name[0] == '/')
        return;
    if (slash)
        *slash = '\0';
    s->directory = (int)syscall(SYS_openat2, root, slash ? s->name : ".", &how, sizeof how);
    if (slash)
        *slash = '/';
}

/* ---- put ---- */

/* A piece of a file, as far as it could be written before; goes on after an error, since what follows must be
 * read. */
static int write_piece(int fd, const char *data, size_t n)
{
    while (fd >= 0 && n > 0) {
        ssize_t written = write(fd, data, n);
        if (written < 0)
            return -errno;
        data += written;
        n -= (size_t)written;
    }
    return fd < 0 ? fd : 0;
}

/* Receive size bytes into fd, or drop them when it is negative. *ret_error: the first error of the file.
 * Returns an error of the connection. */
static int receive_file(struct ly_stream *stream, int64_t size, int fd, int *ret_error)
{
    char data[2048];
    int64_t received = 0;
    *ret_error = fd < 0 ? fd : 0;
    while (received < size) {
        int64_t left = size - received;
        ssize_t n = ly_stream_read(stream, data, left < (int64_t)sizeof data ? (size_t)left : sizeof data);
        if (n <= 0)
            return n < 0 ? (int)n : LY_EEOF;
        received += n;
        if (*ret_error == 0)
            *ret_error = write_piece(fd, data, (size_t)n);
    }
    if (*ret_error == 0)
        py_print("recvsize:%ld filesize:%ld\n", (long)received, (long)size);
    return 0;
}

/* The file to be, under a name of its own until it is whole: nobody sees half a file, and a lost one leaves
 * nothing. */
static int open_partial(const struct session *s, const char *partial)
{
    if (s->directory < 0)
        return LY_EOUTSIDE;
    int fd = openat(s->directory, partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd < 0 ? -errno : fd;
}

/* Give it its name if there was no error, else remove it. */
static int close_partial(const struct session *s, const char *partial, int fd, int error)
{
    if (close(fd) < 0 && error == 0)
        error = -errno;
    if (error == 0 && renameat(s->directory, partial, s->directory, s->base) < 0)
        error = -errno;
    if (error < 0)
        unlinkat(s->directory, partial, 0);
    return error;
}

static int put(struct session *s)
{
    char partial[32];
    int64_t size;
    int error, r = ly_json_int(ly_json_get(s->request, "filesize"), &size);
    if (r < 0 || size < 0 || size > FILE_MAX)
        return r < 0 ? r : LY_ETOOBIG;
    snprintf(partial, sizeof partial, ".put-%lu", (unsigned long)ly_id());
    int fd = open_partial(s, partial);
    r = receive_file(s->stream, size, fd, &error);
    if (fd >= 0)
        error = close_partial(s, partial, fd, r < 0 ? r : error);
    if (r == 0)
        py_print("%s\n", error < 0 ? ly_error_text(error) : "下载完成");
    return r;
}

/* ---- get ---- */

static int send_head(struct session *s, int64_t size, bool is_file)
{
    int r = ly_frame_begin(&s->head);
    if (r == 0 && is_file)
        r = ly_json_put_int(&s->head, "filesize", size);
    if (r == 0)
        r = ly_json_put_bool(&s->head, "isfile", is_file);
    if (r == 0)
        r = ly_frame_end(&s->head, 0);
    if (r == 0)
        r = ly_frame_send(s->stream, &s->head, NULL, 0);
    return r < 0 ? r : ly_stream_flush(s->stream);
}

static int get(struct session *s)
{
    struct stat st;
    int fd = -1;
    if (s->directory >= 0)
        fd = openat(s->directory, s->base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool is_file = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    int64_t size = is_file ? st.st_size : 0;
    int64_t sent = send_head(s, size, is_file);
    if (sent == 0 && size > 0)
        sent = ly_sendfile(ly_stream_sock(s->stream), fd, 0, size);
    if (fd >= 0)
        close(fd);
    if (sent >= 0 && sent != size)
        return LY_ECHANGED; /* it has become shorter: the rest cannot be made up */
    if (sent >= 0 && is_file)
        py_print("下载完成\n");
    return sent < 0 ? (int)sent : 0;
}

/* ---- requests ---- */

static const struct command {
    const char *name;
    int (*run)(struct session *s);
} commands[] = {{"put", put}, {"get", get}};

static int answer(struct session *s)
{
    const struct command *command = NULL;
    struct ly_json cmd = ly_json_get(s->request, "cmd");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (ly_json_equal(cmd, commands[i].name))
            command = &commands[i];
    }
    ssize_t r = ly_json_string(ly_json_get(s->request, "filename"), s->name, sizeof s->name);
    if (!command || r < 0)
        return LY_EFIELD; /* what follows cannot be known */
    find_directory(s);
    py_print("%s\n", py_dict(s->request));
    py_print("-----> %s/%s\n", root_name, py_text(s->name, (size_t)r));
    r = command->run(s);
    if (s->directory >= 0)
        close(s->directory);
    return (int)r;
}

static int serve(struct ly_request *rq)
{
    struct session s;
    struct ly_frame frame;
    int r = ly_stream_open(&s.stream, rq->sock, &(struct ly_stream_options){.borrow = true});
    if (r < 0)
        return r;
    ly_buffer_init(&s.head, LY_FRAME_HEADER_MAX);
    while ((r = ly_frame_recv(s.stream, &frame)) == 1) {
        s.request = frame.header;
        if ((r = answer(&s)) < 0)
            break;
    }
    ly_buffer_done(&s.head);
    ly_stream_close(s.stream);
    return r;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = serve, .no_delay = true};
    root_name = py_argument(argc, argv, 3, "./download");
    root = open(root_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        fprintf(stderr, "%s: %s\n", root_name, strerror(errno));
        return 1;
    }
    return py_serve(argc, argv, "tcp://127.0.0.1:8083", &options);
}
