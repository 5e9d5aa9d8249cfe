/* SPDX-License-Identifier: MIT */
/*
 * One side of a login as a program, to be run against another implementation:
 *
 *     scram_peer server BINDING NAME PASSWORD ITERATIONS
 *     scram_peer client BINDING NAME PASSWORD
 *
 * BINDING is 64 hexadecimal digits. Each line of standard input is a message of the other side, each line of
 * standard output the result of a step, "0", "1" or an error's name, and behind a blank the answer. A client
 * begins with an empty message.
 */
#include "auth/scram.h"
#include <lanyard/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ly__scram_secret secret = {.salt = "a salt of 16 by."};
static const char *user;

static void die(const char *what)
{
    fprintf(stderr, "scram_peer: %s\n", what);
    exit(1);
}

static int find(void *arg, const char *name, struct ly__scram_secret *ret_secret)
{
    (void)arg;
    if (strcmp(name, user) != 0)
        return LY_EDENIED;
    *ret_secret = secret;
    return 0;
}

static void read_hex(const char *text, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++, text += 2) {
        char pair[3] = {text[0], text[0] ? text[1] : '\0', '\0'}, *end;
        out[i] = (uint8_t)strtoul(pair, &end, 16);
        if (end != pair + 2)
            die("a binding has 64 digits");
    }
}

static void answer(int r, struct ly_buffer *out)
{
    printf("%s", r < 0 ? ly_error_name(r) : r > 0 ? "1" : "0");
    if (out->length > 0)
        printf(" %.*s", (int)out->length, ly_buffer_bytes(out));
    printf("\n");
    fflush(stdout);
    ly_buffer_clear(out);
}

int main(int argc, char **argv)
{
    uint8_t binding[LY__SCRAM_BINDING];
    struct ly__scram_server *server = NULL;
    struct ly__scram_client *client = NULL;
    struct ly_buffer out;
    char line[8192];
    if (argc < 5)
        die("too few arguments");
    read_hex(argv[2], binding, sizeof binding);
    user = argv[3];
    ly_buffer_init(&out, sizeof line);
    if (strcmp(argv[1], "server") == 0) {
        secret.iterations = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : LY__SCRAM_ITERATIONS_MIN;
        if (ly__scram_derive(&secret, argv[4]) < 0 || ly__scram_server_new(&server, binding, find, NULL) < 0)
            die("cannot begin");
    } else if (ly__scram_client_new(&client, user, argv[4], binding) < 0)
        die("cannot begin");
    while (fgets(line, sizeof line, stdin)) {
        size_t n = strcspn(line, "\n");
        answer(server ? ly__scram_server_step(server, line, n, &out)
                      : ly__scram_client_step(client, line, n, &out),
               &out);
    }
    ly__scram_server_free(server);
    ly__scram_client_free(client);
    ly_buffer_done(&out);
    return 0;
}
