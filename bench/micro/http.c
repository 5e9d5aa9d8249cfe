/* SPDX-License-Identifier: MIT */
/* How many heads of requests a core reads in a second, and how many it reads and answers with a head. */
#include <lanyard/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 5
#define REQUESTS 300000

static volatile size_t sink; /* keeps the work */

/* What a browser sends, 200 bytes. */
static const char request[] = "GET /search?q=hello+world HTTP/1.1\r\nHost: www.example.org\r\n"
                              "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Example/1.0.0\r\n"
                              "Accept: text/html,*/*;q=0.8\r\nAccept-Encoding: gzip, br\r\n"
                              "Connection: keep-alive\r\n\r\n";
_Static_assert(sizeof request - 1 == 200, "the head has 200 bytes");

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void read_one(struct ly_http_head *h)
{
    ly_http_head_init(h, LY_HTTP_REQUEST, NULL);
    if (ly_http_head_parse(h, request, sizeof request - 1) != sizeof request - 1)
        exit(1);
}

static void answer_one(const struct ly_http_head *h, struct ly_buffer *b)
{
    struct ly_http_answer answer;
    ly_buffer_clear(b);
    if (ly_http_put_response(b, h, 200, 5, false, &answer) < 0 ||
        ly_http_put_field(b, "Content-Type", "text/plain; charset=utf-8") < 0 || ly_http_put_end(b) < 0)
        exit(1);
    sink += b->length;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The median of the rounds, in millions a second. */
static double measure(bool answers)
{
    struct ly_http_head h;
    struct ly_buffer b;
    double rate[ROUNDS];
    ly_buffer_init(&b, 4096);
    for (int i = 0; i < ROUNDS; i++) {
        double start = seconds();
        for (int k = 0; k < REQUESTS; k++) {
            read_one(&h);
            if (answers)
                answer_one(&h, &b);
        }
        rate[i] = REQUESTS / (seconds() - start) / 1e6;
    }
    ly_buffer_done(&b);
    qsort(rate, ROUNDS, sizeof rate[0], compare);
    return rate[ROUNDS / 2];
}

/* With a number: so many requests and answers, for a tool that counts instructions. */
static int repeat(long requests)
{
    struct ly_http_head h;
    struct ly_buffer b;
    ly_buffer_init(&b, 4096);
    for (long i = 0; i < requests; i++) {
        read_one(&h);
        answer_one(&h, &b);
    }
    ly_buffer_done(&b);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return repeat(strtol(argv[1], NULL, 10));
    printf("http.read %.2f million/s\n", measure(false));
    printf("http.answer %.2f million/s\n", measure(true));
    return 0;
}
