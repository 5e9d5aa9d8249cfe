/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 004: proves that it knows the key: 004_md5_challenge_client [host] [port] [key]
 *
 * Bytes: 10 in; 32 hexadecimal digits back: md5(key + challenge).
 * Without an argument the key is 天王盖地虎. The toy digests what one recv gives; ly_challenge_answer waits
 * for all 10.
 */
#include "python_form.h"
#include <string.h>

int main(int argc, char **argv)
{
    const char *key = py_argument(argc, argv, 3, "天王盖地虎");
    struct ly_challenge challenge = {.kind = LY_CHALLENGE_MD5_HEX, .key = key, .key_length = strlen(key)};
    struct ly_sock *sock;
    int r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:9090");
    if (r < 0)
        return py_end(r);
    ly_sock_set_timeout(sock, 60000);
    r = ly_challenge_answer(sock, &challenge);
    ly_sock_free(sock);
    return py_end(r);
}
