/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: `put NAME` and `get NAME` from a prompt: 003_upload_client [host] [port] [directory]
 *
 * Bytes: int n (4 bytes, native), n bytes of JSON, and the file; see 003_upload_server.c. Files lie in the
 * directory, ./local_dir.
 * The toy believes in recv(4), takes a name with ../ out of its directory, and leaves half a file when the
 * server ends. Here a frame is read whole, a name is a name only, and what is not complete is removed.
 *
 * put has no answer, so nothing says when it is done: do not send the toy's server another request at once.
 */
#include "python_form.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *root_name;
static int root;

/* The request as a dictionary. */
static void print_header(const struct ly_buffer *head)
{
    struct ly_frame frame;
    if (ly_frame_decode(ly_buffer_bytes(head), head->length, &frame, NULL) > 0)
        py_print("%s\n", py_dict(frame.header));
}

static int send_request(struct ly_stream *stream, const char *cmd, const char *name, int64_t size)
{
    struct ly_buffer head;
    ly_buffer_init(&head, LY_FRAME_HEADER_MAX);
    int r = ly_frame_begin(&head);
    if (r == 0)
        r = ly_json_put_string(&head, "cmd", cmd);
    if (r == 0)
        r = ly_json_put_string(&head, "filename", name);
    if (r == 0 && size >= 0)
        r = ly_json_put_int(&head, "filesize", size);
    if (r == 0)
        r = ly_frame_end(&head, 0);
    if (r == 0 && size >= 0)
        print_header(&head);
    if (r == 0)
        r = ly_frame_send(stream, &head, NULL, 0);
    ly_buffer_done(&head);
    return r < 0 ? r : ly_stream_flush(stream);
}

static double seconds_since(int64_t began)
{
    return (double)(ly_now() - began) / 1e9;
}

static int put(struct ly_stream *stream, const char *name)
{
    struct stat st;
    int64_t began = ly_now();
    int fd = openat(root, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        py_print("file:%s/%s is not exists\n", root_name, name);
        if (fd >= 0)
            close(fd);
        return 0;
    }
    py_print("%s/%s\n", root_name, name);
    int64_t r = send_request(stream, "put", name, st.st_size);
    if (r == 0 && st.st_size > 0)
        r = ly_sendfile(ly_stream_sock(stream), fd, 0, st.st_size);
    close(fd);
    if (r >= 0 && r != st.st_size)
        return LY_ECHANGED;
    if (r >= 0)
        py_print("%f\n", seconds_since(began));
    return r < 0 ? (int)r : 0;
}

static int receive_file(struct ly_stream *stream, int64_t left, int fd)
{
    char data[16384];
    while (left > 0) {
        ssize_t n = ly_stream_read(stream, data, left < (int64_t)sizeof data ? (size_t)left : sizeof data);
        if (n <= 0)
            return n < 0 ? (int)n : LY_EEOF;
        for (ssize_t written = 0, w; written < n; written += w) {
            if ((w = write(fd, data + written, (size_t)(n - written))) < 0)
                return -errno;
        }
        left -= n;
    }
    return 0;
}

/* The file behind a header, under its name once it is whole. */
static int save(struct ly_stream *stream, const char *name, int64_t size)
{
    char partial[32];
    snprintf(partial, sizeof partial, ".get-%d", (int)getpid());
    int fd = openat(root, partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int r = receive_file(stream, size, fd);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && renameat(root, partial, root, name) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(root, partial, 0);
    return r;
}

static int get(struct ly_stream *stream, const char *name)
{
    struct ly_frame frame = {0};
    int64_t size = 0, began = ly_now();
    bool is_file = false;
    int r = send_request(stream, "get", name, -1);
    if (r == 0)
        r = ly_frame_recv(stream, &frame);
    if (r <= 0)
        return r < 0 ? r : LY_EEOF;
    py_print("%s\n", py_dict(frame.header));
    r = ly_json_bool(ly_json_get(frame.header, "isfile"), &is_file);
    if (r < 0 || !is_file) {
        py_print("文件不存在!\n");
        return r;
    }
    r = ly_json_int(ly_json_get(frame.header, "filesize"), &size);
    if (r < 0 || size < 0)
        return LY_EFIELD;
    py_print("%s/%s\n", root_name, name);
    r = save(stream, name, size);
    if (r == 0)
        py_print("%f\n", seconds_since(began));
    return r;
}

/* A line: "put NAME" or "get NAME"; others are passed over. */
static int obey(struct ly_stream *stream, char *line)
{
    line = py_strip(line);
    const char *name = line + strcspn(line, " \t");
    size_t length = (size_t)(name - line);
    name += strspn(name, " \t");
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (length == 3 && strncmp(line, "put", 3) == 0)
        return put(stream, name);
    if (length == 3 && strncmp(line, "get", 3) == 0)
        return get(stream, name);
    return 0;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock = NULL;
    struct ly_stream *stream = NULL;
    char *line;
    root_name = py_argument(argc, argv, 3, "./local_dir");
    root = open(root_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = root < 0 ? -errno : py_connect(&sock, argc, argv, "tcp://127.0.0.1:8083");
    if (r == 0)
        r = ly_stream_open(&stream, sock, NULL);
    if (r < 0)
        return py_end(r);
    ly_sock_set_int(sock, IPPROTO_TCP, TCP_NODELAY, 1);
    while (r >= 0 && (line = py_input(">>: ")))
        r = obey(stream, line);
    ly_stream_close(stream);
    close(root);
    return py_end(r);
}
