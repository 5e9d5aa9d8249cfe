/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 004: lets in who knows the key, without hearing it: 004_hmac_challenge_server [host] [port] [key]
 *
 * Bytes: 10 random ones out; 16 bytes back: HMAC-MD5(key, challenge).
 * The client is told nothing. Without an argument the key is 天王盖地虎.
 * The toy compares with ==, which stops at the first difference and so tells how far a guess was right, takes
 * what one recv gives for the answer, and waits for it for ever. ly_challenge_ask compares in constant time
 * and reads all of it, and the socket has a time-out. For your own programs leave .kind out: it is
 * HMAC-SHA-256 then.
 */
#include "python_form.h"
#include <string.h>

static int check(struct ly_sock *sock, const char *key)
{
    struct ly_challenge challenge = {.kind = LY_CHALLENGE_HMAC_MD5, .key = key, .key_length = strlen(key)};
    ly_sock_set_timeout(sock, 60000);
    int r = ly_challenge_ask(sock, &challenge);
    py_print("%s\n", r == 1 ? "你好机油!" : "你根本不是老司机");
    return r;
}

int main(int argc, char **argv)
{
    struct ly_sock *listener, *sock;
    int r = py_listen(&listener, argc, argv, "tcp://127.0.0.1:9090");
    if (r < 0)
        return py_end(r);
    r = ly_accept(listener, &sock, NULL);
    if (r == 0) {
        r = check(sock, py_argument(argc, argv, 3, "天王盖地虎"));
        ly_sock_free(sock);
    }
    ly_sock_free(listener);
    return py_end(r);
}
