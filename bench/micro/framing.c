/* SPDX-License-Identifier: MIT */
/* How many messages of 64 bytes, their framing included, a core finds in a second, for each kind of framing.
 */
#include <lanyard/framing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5, MESSAGE = 64, TOGETHER = 1000, PASSES = 1000 };

static volatile size_t sink; /* keeps the work */

static const struct {
    const char *name;
    struct ly_framing framing;
    size_t around; /* bytes of the message that are not its body */
} kinds[] = {
    {"framing.binary", {.kind = LY_FRAMING_BINARY, .width = 4, .order = LY_ORDER_BIG}, 4},
    {"framing.varint", {.kind = LY_FRAMING_VARINT}, 1},
    {"framing.ber", {.kind = LY_FRAMING_BER}, 1},
    {"framing.decimal", {.kind = LY_FRAMING_DECIMAL, .delimiter = ":", .tail = ","}, 4},
    {"framing.line", {.kind = LY_FRAMING_DELIMITER, .delimiter = "\r\n"}, 2},
    {"framing.fixed", {.kind = LY_FRAMING_FIXED, .size = MESSAGE}, 0},
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fill(struct ly_buffer *b, const struct ly_framing *f, size_t around)
{
    char body[MESSAGE];
    memset(body, 'x', sizeof body);
    for (int i = 0; i < TOGETHER; i++)
        if (ly_framing_append(f, b, body, MESSAGE - around) < 0)
            exit(1);
    if (b->length != (size_t)TOGETHER * MESSAGE)
        exit(1);
}

/* All messages of the buffer, one after the other, as they would lie in a stream's. */
static void decode(const struct ly_framing *f, const struct ly_buffer *b)
{
    const char *at = ly_buffer_bytes(b);
    size_t left = b->length;
    struct ly_message m;
    while (left > 0) {
        ssize_t n = ly_framing_decode(f, at, left, &m, NULL, NULL);
        if (n <= 0)
            exit(1);
        at += n;
        left -= (size_t)n;
        sink += m.body_length;
    }
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The median of the rounds, in millions a second. */
static double measure(const struct ly_framing *f, const struct ly_buffer *b)
{
    double rate[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double start = seconds();
        for (int k = 0; k < PASSES; k++)
            decode(f, b);
        rate[i] = (double)TOGETHER * PASSES / (seconds() - start) / 1e6;
    }
    qsort(rate, ROUNDS, sizeof rate[0], compare);
    return rate[ROUNDS / 2];
}

int main(void)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct ly_buffer b;
        ly_buffer_init(&b, (size_t)TOGETHER * MESSAGE);
        fill(&b, &kinds[i].framing, kinds[i].around);
        printf("%s %.2f million/s\n", kinds[i].name, measure(&kinds[i].framing, &b));
        ly_buffer_done(&b);
    }
    return 0;
}
