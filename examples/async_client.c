/* SPDX-License-Identifier: MIT */
/*
 * Many questions at once: async_client [ADDRESS [COUNT [SECONDS]]] connects COUNT times to an echo server,
 * sends a line on each connection, and prints the answers in the order in which they come. Whoever has not
 * answered after SECONDS, 2 if none are named, is given up. One thread, no callback, and each step is the
 * blocking call of the same name.
 */
#include <lanyard/lanyard.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 1000

static struct ly_sock *sock[MOST];
static struct ly_async *op[MOST]; /* the one thing that each connection is doing now */
static char line[MOST][32], answer[MOST][32];

/* Begin what comes after `step` on connection i: 0 is connecting, 1 sending, 2 receiving. */
static int next_step(int i, int step)
{
    if (step == 0)
        return ly_async_sendall(&op[i], sock[i], line[i], strlen(line[i]));
    if (step == 1)
        return ly_async_recvall(&op[i], sock[i], answer[i], strlen(line[i]));
    printf("%s", answer[i]);
    return 0;
}

int main(int argc, char **argv)
{
    static int step[MOST];
    const char *address = argc > 1 ? argv[1] : "tcp://127.0.0.1:8080";
    int count = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 10, failed = 0, i;
    long seconds = argc > 3 ? strtol(argv[3], NULL, 10) : 2;
    int64_t most_ms = 1000 * (seconds < 1 ? 1 : seconds > 3600 ? 3600 : seconds);
    count = count < 1 ? 1 : count > MOST ? MOST : count;
    for (i = 0; i < count; i++) {
        snprintf(line[i], sizeof line[i], "line %d\n", i);
        failed += ly_async_connect(&op[i], &sock[i], address, NULL) < 0;
    }
    int64_t end = ly_deadline(most_ms);
    for (int64_t left = most_ms; left > 0; left = (end - ly_now()) / 1000000) {
        i = ly_async_await_any(op, (size_t)count, left);
        if (i < 0)
            break; /* the time is over, or nothing is left to wait for */
        int64_t r = ly_async_finish(op[i]);
        op[i] = NULL;
        if (r >= 0)
            r = next_step(i, step[i]++);
        if (r < 0) {
            fprintf(stderr, "async_client: connection %d: %s\n", i, ly_error_text((int)r));
            failed++;
        }
    }
    for (i = 0; i < count; i++) {
        failed += op[i] != NULL;
        ly_async_free(op[i]); /* cancels what is still under way; the buffers are free to go after this */
        ly_sock_free(sock[i]);
    }
    return failed > 0;
}
