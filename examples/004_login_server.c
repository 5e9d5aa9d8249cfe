/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 004: logins against a file: 004_login_server [host] [port] [file]
 *
 * Bytes: JSON {"username": "...", "passwd": "..."} without any border, any number of times; out `success!` or
 * `failed!`. An unknown user gets nothing, and the client has to do with that. The file (info) has a line
 * `name | md5(name + password)` for each user.
 * The toy takes what one recv gives for an object: one in two packets is an error, and so are two in one; at
 * the client's end it reports an error too; and it serves one client at a time. Here an object ends where its
 * bracket closes, and each client has its fiber. Digests are compared in constant time.
 *
 * Names and passwords travel in the clear, and MD5 keeps nothing secret: for a server of your own look at
 * ly_challenge_ask, and at TLS.
 */
#include "python_form.h"
#include <string.h>

#define LOGIN_MAX 4096 /* longest object */

static const char *file_name;

/* The length of the object in front of n bytes, with the blanks before it; 0: more are needed. Brackets in
 * strings do not count. */
static size_t object_length(const char *text, size_t n)
{
    int depth = 0;
    bool in_string = false;
    size_t i = 0;
    while (i < n && strchr(" \t\r\n", text[i]) && text[i])
        i++;
    for (; i < n; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string)
            depth += (text[i] == '{') - (text[i] == '}');
        if (depth <= 0)
            return i + 1; /* closed, or no object at all, as the checker will say */
    }
    return 0;
}

static int answer(struct ly_sock *sock, const char *text, size_t n)
{
    struct ly_json object;
    char name[LOGIN_MAX], password[LOGIN_MAX];
    ssize_t r = ly_json_check(&object, text, n);
    if (r == 0)
        r = ly_json_string(ly_json_get(object, "username"), name, sizeof name);
    if (r >= 0)
        r = ly_json_string(ly_json_get(object, "passwd"), password, sizeof password);
    if (r >= 0)
        r = ly_login_check(file_name, name, password);
    if (r == LY_LOGIN_UNKNOWN)
        py_print("用户不存在!\n");
    if (r == LY_LOGIN_RIGHT)
        return ly_sendall(sock, "success!", 8);
    return r == LY_LOGIN_WRONG ? ly_sendall(sock, "failed!", 7) : (int)r;
}

static int serve(struct ly_request *rq)
{
    char text[LOGIN_MAX];
    size_t held = 0;
    for (;;) {
        size_t n = object_length(text, held);
        if (n > 0) {
            int r = answer(rq->sock, text, n);
            if (r < 0)
                return r;
            memmove(text, text + n, held -= n);
            continue;
        }
        ssize_t more = held < sizeof text ? ly_recv(rq->sock, text + held, sizeof text - held) : LY_ETOOBIG;
        if (more <= 0)
            return more == 0 && held > 0 ? LY_EEOF : (int)more;
        held += (size_t)more;
    }
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = serve};
    file_name = py_argument(argc, argv, 3, "info");
    return py_serve(argc, argv, "tcp://127.0.0.1:9090", &options);
}
