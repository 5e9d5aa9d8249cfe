/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: commands out, whole output in: 000_remote_shell_framed_client [host] [port]
 *
 * Bytes: a command, raw; then an int n, n bytes of JSON {"total_size": N}, and N bytes of output.
 * The toy calls recv(4) and believes to have 4 bytes, and takes any length for good. ly_frame_recv reads
 * through the borders of packets and refuses a header that is none; the output is shown as it comes, so its
 * size costs no memory.
 */
#include "python_form.h"
#include <string.h>

static int show(struct ly_stream *stream, int64_t left)
{
    char data[16384];
    while (left > 0) {
        ssize_t n = ly_stream_read(stream, data, left < (int64_t)sizeof data ? (size_t)left : sizeof data);
        if (n <= 0)
            return n < 0 ? (int)n : LY_EEOF;
        fwrite(data, 1, (size_t)n, stdout);
        left -= n;
    }
    py_print("\n");
    return 0;
}

static int ask(struct ly_stream *stream, const char *command)
{
    struct ly_frame frame = {0};
    int64_t total = 0;
    int r = ly_stream_write(stream, command, strlen(command));
    if (r == 0)
        r = ly_stream_flush(stream);
    if (r == 0)
        r = ly_frame_recv(stream, &frame);
    if (r <= 0)
        return r < 0 ? r : LY_EEOF;
    r = ly_json_int(ly_json_get(frame.header, "total_size"), &total);
    return r < 0 || total < 0 ? LY_EFIELD : show(stream, total);
}

int main(int argc, char **argv)
{
    struct ly_sock *sock = NULL;
    struct ly_stream *stream = NULL;
    char *line;
    int r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8080");
    if (r == 0)
        r = ly_stream_open(&stream, sock, NULL);
    if (r < 0)
        return py_end(r);
    while (r >= 0 && (line = py_input(">>>: "))) {
        line = py_strip(line);
        if (*line)
            r = ask(stream, line);
    }
    ly_stream_close(stream);
    return py_end(r);
}
