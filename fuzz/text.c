/* SPDX-License-Identifier: MIT */
/*
 * The first bytes choose an encoding and how to read it, the rest is what comes. Decoded at once and decoded
 * in small pieces with little room it is the same text, which is UTF-8; and what UTF-8 and UTF-16 were
 * decoded to is encoded as it came.
 */
#include "base/utf8.h"
#include "net/file_text.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHOICE 4
#define LARGEST 4096

struct text {
    char *bytes;
    size_t n;
    ssize_t result; /* of the last step: 0 or an error */
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* The last ones have a state, which iconv does not keep apart from where its memory ends: of them it is only
 * asked that they give text. */
static const char *const encodings[] = {"utf-8",   "gbk",  "utf-16", "utf-16-le", "utf-32-be",   "gb18030",
                                        "latin-1", "big5", "ucs-4",  "utf-7",     "iso-2022-jp", "cp1255"};
#define STATELESS 9

/* Give the decoder pieces of so many bytes, and room for so many more than it needs. */
static struct text decode(const struct ly__encoding *e, const uint8_t *c, const uint8_t *raw, size_t size,
                          size_t piece, size_t room)
{
    struct ly__decoder d;
    struct text t = {malloc(4 * size + room + 4), 0, 0};
    char *exact = malloc(room);
    require(t.bytes && exact);
    require(ly__decoder_open(&d, e, size + 1, c[1] % 3, c[1] & 4) == 0);
    d.raw = malloc(size + 1);
    require(d.raw);
    for (size_t given = 0; t.result >= 0;) {
        size_t n = size - given < piece ? size - given : piece;
        memcpy(d.raw + d.end, raw + given, n);
        d.end += n;
        given += n;
        while ((t.result = ly__decoder_step(&d, exact, room, given == size)) > 0) {
            require((size_t)t.result <= room && t.n + (size_t)t.result <= 4 * size + room);
            memcpy(t.bytes + t.n, exact, (size_t)t.result);
            t.n += (size_t)t.result;
        }
        if (given == size)
            break;
    }
    require(t.result == 0 || t.result == LY_EDECODE);
    ly__decoder_close(&d);
    free(exact);
    return t;
}

static void encode(const struct ly__encoding *e, const struct text *t, const uint8_t *raw, size_t size)
{
    struct ly__encoder c;
    char out[LY__TEXT_ROOM];
    size_t done = 0, total = 0, used, made;
    require(ly__encoder_open(&c, e, LY_TEXT_STRICT, NULL) == 0);
    while (done < t->n) {
        require(ly__encoder_step(&c, t->bytes + done, t->n - done, &used, out, sizeof out, &made) == 0);
        require(used > 0 && made <= sizeof out && total + made <= size);
        require(memcmp(out, raw + total, made) == 0);
        done += used;
        total += made;
    }
    require(total == size);
    ly__encoder_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CHOICE || size > LARGEST)
        return 0;
    struct ly__encoding e;
    const uint8_t *raw = data + CHOICE;
    size -= CHOICE;
    size_t encoding = data[0] % (sizeof encodings / sizeof *encodings);
    require(ly__encoding_find(&e, encodings[encoding]) == 0);
    struct text whole = decode(&e, data, raw, size, size, LARGEST);
    struct text pieces = decode(&e, data, raw, size, data[2] + 1u, LY__TEXT_ROOM + data[3]);
    require(ly__utf8_valid(whole.bytes, whole.n) && ly__utf8_valid(pieces.bytes, pieces.n));
    if (encoding < STATELESS) {
        require(whole.result == pieces.result && whole.n == pieces.n);
        require(whole.n == 0 || memcmp(whole.bytes, pieces.bytes, whole.n) == 0);
    }
    bool same = !*e.name || strcmp(e.name, "UTF-16LE") == 0;
    if (same && whole.result == 0 && data[1] % 3 == LY_TEXT_STRICT && !(data[1] & 4))
        encode(&e, &whole, raw, size);
    free(whole.bytes);
    free(pieces.bytes);
    return 0;
}
