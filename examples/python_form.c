/* SPDX-License-Identifier: MIT */
/* See python_form.h. */
#include "python_form.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- forms ---- */

static char *put_escape(char *out, unsigned char c)
{
    static const char names[] = "t\tn\nr\r";
    const char *name = c ? strchr(names, c) : NULL;
    *out++ = '\\';
    if (name && c < 32)
        *out++ = name[-1];
    else
        out += sprintf(out, "x%02x", c);
    return out;
}

const char *py_bytes(const void *bytes, size_t n)
{
    static _Thread_local char text[4 * PY_BYTES_MAX + 4];
    const unsigned char *p = bytes;
    if (n > PY_BYTES_MAX)
        n = PY_BYTES_MAX;
    char quote = n > 0 && memchr(p, '\'', n) && !memchr(p, '"', n) ? '"' : '\'';
    char *out = text;
    *out++ = 'b';
    *out++ = quote;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 32 || p[i] > 126) {
            out = put_escape(out, p[i]);
            continue;
        }
        if (p[i] == (unsigned char)quote || p[i] == '\\')
            *out++ = '\\';
        *out++ = (char)p[i];
    }
    *out++ = quote;
    *out = '\0';
    return text;
}

/* Bytes of the UTF-8 character at p; 0 if there is none that may be shown. */
static size_t character(const unsigned char *p, size_t n)
{
    if (*p < 0x80)
        return (*p >= 32 && *p != 127) || *p == '\n' || *p == '\t';
    size_t length = *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : 2;
    uint32_t code = *p & (0x7Fu >> length);
    if (*p < 0xC2 || *p > 0xF4 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    bool shortest = code >= (length == 4 ? 0x10000u : length == 3 ? 0x800u : 0xA0u);
    return shortest && code < 0x110000 && (code < 0xD800 || code > 0xDFFF) ? length : 0;
}

const char *py_text(const void *bytes, size_t n)
{
    static _Thread_local char text[4 * PY_BYTES_MAX + 1];
    const unsigned char *p = bytes;
    char *out = text;
    if (n > PY_BYTES_MAX)
        n = PY_BYTES_MAX;
    for (size_t i = 0; i < n;) {
        size_t length = character(p + i, n - i);
        if (length == 0) {
            out = put_escape(out, p[i++]);
            continue;
        }
        memcpy(out, p + i, length);
        out += length;
        i += length;
    }
    *out = '\0';
    return text;
}

/* repr(str) */
static void put_repr(FILE *out, const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    char quote = memchr(text, '\'', n) && !memchr(text, '"', n) ? '"' : '\'';
    fputc(quote, out);
    for (size_t i = 0, length; i < n; i += length) {
        char escape[8];
        length = character(p + i, n - i);
        if (length == 0 || p[i] == '\n' || p[i] == '\t') {
            fwrite(escape, 1, (size_t)(put_escape(escape, p[i]) - escape), out);
            length = 1;
            continue;
        }
        if (p[i] == (unsigned char)quote || p[i] == '\\')
            fputc('\\', out);
        fwrite(p + i, 1, length, out);
    }
    fputc(quote, out);
}

static void put_value(FILE *out, struct ly_json value)
{
    char text[PY_BYTES_MAX];
    bool truth;
    ssize_t n = ly_json_string(value, text, sizeof text);
    if (n >= 0)
        put_repr(out, text, (size_t)n);
    else if (ly_json_bool(value, &truth) == 0)
        fputs(truth ? "True" : "False", out);
    else if (ly_json_type(value) == LY_JSON_NULL)
        fputs("None", out);
    else
        fputs(py_text(value.text, value.length), out);
}

const char *py_dict(struct ly_json object)
{
    static _Thread_local char form[8 * PY_BYTES_MAX];
    struct ly_json name, value;
    size_t it = 0;
    FILE *out = fmemopen(form, sizeof form, "w");
    if (!out)
        return py_text(object.text, object.length);
    fputc('{', out);
    for (bool first = true; ly_json_next(object, &it, &name, &value); first = false) {
        fputs(first ? "" : ", ", out);
        put_value(out, name);
        fputs(": ", out);
        put_value(out, value);
    }
    fputc('}', out);
    fclose(out);
    form[sizeof form - 1] = '\0';
    return form;
}

/* An address's form; returns text. */
static const char *put_tuple(char *text, size_t cap, const struct ly_address *a)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (a->length > 0 && a->u.family == AF_INET) {
        inet_ntop(AF_INET, &a->u.in.sin_addr, host, sizeof host);
        snprintf(text, cap, "('%s', %d)", host, ly_address_port(a));
    } else if (a->length > 0 && a->u.family == AF_INET6) {
        inet_ntop(AF_INET6, &a->u.in6.sin6_addr, host, sizeof host);
        snprintf(text, cap, "('%s', %d, %u, %u)", host, ly_address_port(a), ntohl(a->u.in6.sin6_flowinfo),
                 a->u.in6.sin6_scope_id);
    } else {
        char name[LY_ADDRESS_TEXT];
        size_t n = ly_address_format(a, name, sizeof name);
        snprintf(text, cap, "'%s'", n > 5 ? name + 5 : ""); /* behind "unix:" */
    }
    return text;
}

const char *py_tuple(const struct ly_address *address)
{
    static _Thread_local char text[LY_ADDRESS_TEXT + 8];
    return put_tuple(text, sizeof text, address);
}

const char *py_socket(const struct ly_sock *sock)
{
    static _Thread_local char text[3 * LY_ADDRESS_TEXT];
    char tuple[LY_ADDRESS_TEXT + 8];
    struct ly_address a;
    int proto = ly_sock_proto(sock);
    if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
        proto = 0; /* Python prints what was asked for, which in the tutorials is never more than the type */
    int n = snprintf(text, sizeof text, "<socket.socket fd=%d, family=%d, type=%d, proto=%d",
                     ly_sock_fileno(sock), ly_sock_family(sock), ly_sock_type(sock), proto);
    if (ly_sock_local(sock, &a) == 0 && a.length > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, ", laddr=%s", put_tuple(tuple, sizeof tuple, &a));
    if (ly_sock_peer(sock, &a) == 0 && a.length > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, ", raddr=%s", put_tuple(tuple, sizeof tuple, &a));
    snprintf(text + n, sizeof text - (size_t)n, ">");
    return text;
}

void py_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    fflush(stdout);
}

/* ---- standard input ---- */

char *py_input(const char *prompt)
{
    static char *line;
    static size_t room;
    py_print("%s", prompt);
    ssize_t n = getline(&line, &room, stdin);
    if (n < 0)
        return NULL;
    if (n > 0 && line[n - 1] == '\n')
        line[n - 1] = '\0';
    return line;
}

char *py_strip(char *line)
{
    static const char blanks[] = " \t\n\r\f\v";
    line += strspn(line, blanks);
    size_t n = strlen(line);
    while (n > 0 && strchr(blanks, line[n - 1]))
        n--;
    line[n] = '\0';
    return line;
}

/* ---- the command line ---- */

const char *py_argument(int argc, char **argv, int i, const char *fallback)
{
    return i < argc ? argv[i] : fallback;
}

double py_number(int argc, char **argv, int i, double fallback)
{
    char *end = NULL;
    double value = i < argc ? strtod(argv[i], &end) : fallback;
    if (i < argc && (end == argv[i] || *end || !(value >= 0 && value < 1e9))) {
        fprintf(stderr, "%s: not a number from 0 to 1e9: %s\n", program_invocation_short_name, argv[i]);
        exit(2);
    }
    return value;
}

void py_address(char text[LY_ADDRESS_TEXT], int argc, char **argv, const char *fallback)
{
    const char *host = strstr(fallback, "://") + 3, *colon = strrchr(fallback, ':');
    const char *port = py_argument(argc, argv, 2, colon + 1);
    int host_length = (int)(colon - host);
    if (argc > 1) {
        host = argv[1];
        host_length = (int)strnlen(host, LY_ADDRESS_TEXT);
    }
    bool brackets = memchr(host, ':', (size_t)host_length) && *host != '[';
    snprintf(text, LY_ADDRESS_TEXT, "%.6s%s%.*s%s:%s", fallback, brackets ? "[" : "", host_length, host,
             brackets ? "]" : "", port);
}

static void say_where(const struct ly_address *address)
{
    char text[LY_ADDRESS_TEXT];
    ly_address_format(address, text, sizeof text);
    fprintf(stderr, "%s: listening on %s\n", program_invocation_short_name, text);
}

int py_listen(struct ly_sock **ret_sock, int argc, char **argv, const char *fallback)
{
    char text[LY_ADDRESS_TEXT];
    struct ly_address address;
    py_address(text, argc, argv, fallback);
    int r = ly_listen(ret_sock, text, NULL);
    if (r == 0 && ly_sock_local(*ret_sock, &address) == 0)
        say_where(&address);
    return r;
}

int py_connect(struct ly_sock **ret_sock, int argc, char **argv, const char *fallback)
{
    char text[LY_ADDRESS_TEXT];
    py_address(text, argc, argv, fallback);
    return ly_connect(ret_sock, text, NULL);
}

static struct ly_server *served; /* for the signals */

static void stop(__attribute__((unused)) int signal_number)
{
    ly_server_request_shutdown(served);
}

/* A datagram that claims to come from the server itself would be answered to the server, and so for ever. */
static int is_from_others(struct ly_request *rq)
{
    struct ly_address own;
    return !rq->packet || ly_sock_local(rq->sock, &own) < 0 || !ly_address_equal(&own, &rq->peer);
}

int py_serve(int argc, char **argv, const char *fallback, struct ly_server_options *options)
{
    char text[LY_ADDRESS_TEXT];
    struct ly_address address;
    py_address(text, argc, argv, fallback);
    options->address = text;
    options->server_speaks_first = true; /* so that a client is printed when it comes, not when it speaks */
    options->drain_ms = LY_POLL;
    if (!options->hooks.verify_request)
        options->hooks.verify_request = is_from_others;
    int r = ly_server_open(&served, options);
    if (r < 0)
        return py_end(r);
    ly_server_address(served, &address);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    say_where(&address);
    r = ly_serve_forever(served);
    ly_server_close(served);
    return py_end(r);
}

int py_end(ssize_t result)
{
    if (result < 0)
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, ly_error_text((int)result));
    return result < 0;
}
