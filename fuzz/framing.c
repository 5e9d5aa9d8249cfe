/* SPDX-License-Identifier: MIT */
/*
 * The first bytes choose a framing, the rest is a stream. Decoded at once and decoded as the bytes arrive it
 * gives the same answer, within its bounds; and a message that was decoded is written as it was.
 */
#include <lanyard/framing.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHOICE 6

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct ly_framing choose(const uint8_t *c)
{
    static const char *const delimiters[] = {NULL, "\r\n", ":", "aab"};
    return (struct ly_framing){
        .kind = c[0] % 6,
        .width = 1 << (c[1] & 3),
        .order = c[1] >> 2 & 3,
        .is_signed = c[1] & 16,
        .before = c[2] & 7,
        .behind = c[2] >> 3 & 7,
        .adjust = (int8_t)c[3],
        .delimiter = delimiters[c[4] & 3],
        .tail = c[4] & 4 ? "," : NULL,
        .size = c[5],
        .max = 1000,
    };
}

static ssize_t decode_slowly(const struct ly_framing *f, const char *bytes, size_t size)
{
    struct ly_message m;
    size_t have = 0, need = 1, searched = 0;
    for (;;) {
        ssize_t r = ly_framing_decode(f, bytes, have, &m, &need, &searched);
        if (r != 0)
            return r;
        require(need > have && need <= 1000 + LY_FRAMING_HEAD_MAX + 2 * LY_FRAMING_DELIMITER_MAX);
        if (have == size)
            return 0;
        have = need < size ? need : size;
    }
}

static void write_again(const struct ly_framing *f, const char *bytes, ssize_t taken,
                        const struct ly_message *m)
{
    struct ly_buffer b;
    require(m->head == bytes && m->body == bytes + m->head_length && m->body_length <= 1000);
    ly_buffer_init(&b, 4096);
    require(ly_framing_append(f, &b, m->body, m->body_length) == 0);
    require(b.length == (size_t)taken);
    if (f->before + f->behind == 0)
        require(memcmp(ly_buffer_bytes(&b), bytes, b.length) == 0);
    ly_buffer_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CHOICE)
        return 0;
    struct ly_framing f = choose(data);
    const char *bytes = (const char *)data + CHOICE;
    struct ly_message m;
    if (ly_framing_check(&f) < 0)
        return 0;
    ssize_t r = ly_framing_decode(&f, bytes, size - CHOICE, &m, NULL, NULL);
    require(r == decode_slowly(&f, bytes, size - CHOICE));
    if (r > 0)
        write_again(&f, bytes, r, &m);
    else
        require(r == 0 || r == LY_ETOOBIG || r == LY_EFRAME);
    return 0;
}
