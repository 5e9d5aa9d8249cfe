/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: the second version's client: 003_ssh_v2_client [host] [port]
 *
 * Bytes: a command, raw; then decimal digits that nothing ends, and as many bytes of output.
 * The toy's int() dies when output arrives with the digits. Here the digits in front count, and what follows
 * them in the same packet is output; should that begin with a digit, or the digits come in two packets, no
 * receiver can know. The length is checked, the output shown as it comes.
 */
#include "python_form.h"
#include <stdlib.h>
#include <string.h>

/* The length in front of what has arrived; *ret_digits is how many digits it has. */
static int64_t leading_number(const char *data, size_t n, size_t *ret_digits)
{
    char digits[20] = "";
    *ret_digits = 0;
    while (*ret_digits < n && data[*ret_digits] >= '0' && data[*ret_digits] <= '9')
        ++*ret_digits;
    if (*ret_digits == 0 || *ret_digits > 18)
        return LY_EFRAME;
    memcpy(digits, data, *ret_digits);
    return strtoll(digits, NULL, 10);
}

static ssize_t show(struct ly_stream *stream, int64_t left)
{
    char data[4096];
    while (left > 0) {
        ssize_t n = ly_stream_read(stream, data, left < (int64_t)sizeof data ? (size_t)left : sizeof data);
        if (n <= 0)
            return n < 0 ? n : LY_EEOF;
        fwrite(data, 1, (size_t)n, stdout);
        left -= n;
    }
    py_print("\n");
    return 0;
}

static ssize_t ask(struct ly_stream *stream, const char *command)
{
    const char *data = "";
    size_t digits;
    ssize_t r = ly_stream_write(stream, command, strlen(command));
    if (r == 0)
        r = ly_stream_flush(stream);
    if (r == 0)
        r = ly_stream_peek(stream, 1, &data);
    if (r <= 0)
        return r < 0 ? r : LY_EEOF;
    int64_t length = leading_number(data, (size_t)r, &digits);
    if (length < 0)
        return (ssize_t)length;
    py_print("%s\n", py_bytes(data, digits));
    ly_stream_consume(stream, digits);
    return show(stream, length);
}

int main(int argc, char **argv)
{
    struct ly_sock *sock = NULL;
    struct ly_stream *stream = NULL;
    const char *line;
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8899");
    if (r == 0)
        r = ly_stream_open(&stream, sock, NULL);
    if (r < 0)
        return py_end(r);
    while (r >= 0 && (line = py_input("输入执行命令>>>")))
        r = *line ? ask(stream, line) : 0;
    ly_stream_close(stream);
    return py_end(r);
}
