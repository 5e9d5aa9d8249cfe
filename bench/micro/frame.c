/* SPDX-License-Identifier: MIT */
/* How many heads of frames a core decodes and encodes in a second, beside jansson decoding the same texts. */
#include <jansson.h>
#include <lanyard/frame.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 5
#define FRAMES 300000

static volatile int64_t sink; /* keeps the work */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A frame of an exec's output, 64 bytes in all with its length. */
static void encode(struct ly_buffer *b)
{
    if (ly_frame_begin(b) < 0 || ly_json_put_int(b, "id", 1) < 0 ||
        ly_json_put_string(b, "stream", "out") < 0 || ly_json_put_string(b, "note", "01234567") < 0 ||
        ly_frame_end(b, 4096) < 0)
        exit(1);
}

static void run_decode(const struct ly_buffer *b)
{
    struct ly_frame frame;
    for (int i = 0; i < FRAMES; i++) {
        int64_t id = 0;
        if (ly_frame_decode(ly_buffer_bytes(b), b->length, &frame, NULL) <= 0 ||
            ly_json_int(ly_json_get(frame.header, "id"), &id) < 0)
            exit(1);
        sink += frame.size + id;
    }
}

static void run_encode(const struct ly_buffer *b)
{
    struct ly_buffer out;
    (void)b;
    ly_buffer_init(&out, 4096);
    for (int i = 0; i < FRAMES; i++) {
        encode(&out);
        sink += (int64_t)out.length;
    }
    ly_buffer_done(&out);
}

static void run_jansson(const struct ly_buffer *b)
{
    for (int i = 0; i < FRAMES; i++) {
        json_t *tree = json_loadb(ly_buffer_bytes(b) + 4, b->length - 4, JSON_REJECT_DUPLICATES, NULL);
        sink += json_integer_value(json_object_get(tree, "size")) +
                json_integer_value(json_object_get(tree, "id"));
        json_decref(tree);
    }
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The median of the rounds, in millions a second. */
static void measure(const char *name, void (*run)(const struct ly_buffer *b), const struct ly_buffer *b)
{
    double rate[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double start = seconds();
        run(b);
        rate[i] = FRAMES / (seconds() - start) / 1e6;
    }
    qsort(rate, ROUNDS, sizeof rate[0], compare);
    printf("%s %.2f million/s\n", name, rate[ROUNDS / 2]);
}

int main(void)
{
    struct ly_buffer b;
    ly_buffer_init(&b, 4096);
    encode(&b);
    if (b.length != 64) {
        fprintf(stderr, "the frame has %zu bytes\n", b.length);
        return 1;
    }
    measure("frame_decode_64B", run_decode, &b);
    measure("frame_encode_64B", run_encode, &b);
    measure("frame_decode_64B_jansson", run_jansson, &b);
    ly_buffer_done(&b);
    return 0;
}
