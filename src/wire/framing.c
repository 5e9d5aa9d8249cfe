/* SPDX-License-Identifier: MIT */
/*
 * Framings without I/O. A message is taken apart in three steps, each of which may find that bytes are
 * missing: the length (one function a kind), the body's size from it, the tail. What a kind adds to the table
 * below is its reader and its writer.
 *
 * A length is read as an unsigned number and checked against the limit before anything is added to it, so
 * that no sum can overflow; one that is not in the shortest form is refused, since a second spelling of the
 * same message only serves those who want two readers to disagree.
 */
#include "wire/framing.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define MORE ((ssize_t)-1000000) /* not enough bytes for the length; no error has this number */

#define DIGITS_MAX 19 /* of a decimal length: less than 2^63 in any case */

/* A length field as it was read. */
struct length {
    uint64_t value;
    size_t need; /* with MORE: bytes of the field there must be */
};

static size_t limit(const struct ly_framing *f)
{
    return f->max ? f->max : LY_FRAMING_BODY_MAX;
}

static const char *delimiter(const struct ly_framing *f, size_t *ret_length)
{
    const char *d = f->delimiter ? f->delimiter : "\n";
    *ret_length = f->delimiter && f->delimiter_length ? f->delimiter_length : strlen(d);
    return d;
}

static size_t tail_length(const struct ly_framing *f)
{
    return f->tail ? strlen(f->tail) : 0;
}

/* ---- the kinds: reading a length, which begins at bytes. Each returns the field's bytes, MORE or LY_EFRAME
 * ---- */

static bool is_little(const struct ly_framing *f)
{
    return f->order == LY_ORDER_NATIVE ? __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                                       : f->order == LY_ORDER_LITTLE;
}

static ssize_t read_binary(const struct ly_framing *f, const unsigned char *bytes, size_t n,
                           struct length *ret)
{
    size_t width = (size_t)f->width;
    ret->need = width;
    if (n < width)
        return MORE;
    ret->value = 0;
    for (size_t i = 0; i < width; i++)
        ret->value |= (uint64_t)bytes[is_little(f) ? i : width - 1 - i] << (8 * i);
    if (f->is_signed && ret->value >> (8 * width - 1))
        return LY_EFRAME;
    return (ssize_t)width;
}

static ssize_t read_varint(const struct ly_framing *f, const unsigned char *bytes, size_t n,
                           struct length *ret)
{
    (void)f;
    ret->value = 0;
    for (size_t i = 0; i < 10; i++) {
        ret->need = i + 1;
        if (i == n)
            return MORE;
        uint64_t group = bytes[i] & 0x7f;
        if (i == 9 && group > 1)
            return LY_EFRAME;
        ret->value |= group << (7 * i);
        if (!(bytes[i] & 0x80))
            return i > 0 && group == 0 ? LY_EFRAME : (ssize_t)i + 1;
    }
    return LY_EFRAME;
}

static ssize_t read_ber(const struct ly_framing *f, const unsigned char *bytes, size_t n, struct length *ret)
{
    (void)f;
    ret->need = 1;
    if (n == 0)
        return MORE;
    ret->value = bytes[0];
    if (bytes[0] < 0x80)
        return 1;
    size_t count = bytes[0] & 0x7f;
    if (count == 0 || count > 8) /* the indefinite form, or more than 64 bits */
        return LY_EFRAME;
    ret->need = 1 + count;
    if (n < 1 + count)
        return MORE;
    ret->value = 0;
    for (size_t i = 0; i < count; i++)
        ret->value = ret->value << 8 | bytes[1 + i];
    return ret->value < 0x80 || bytes[1] == 0 ? LY_EFRAME : (ssize_t)(1 + count);
}

static ssize_t read_decimal(const struct ly_framing *f, const unsigned char *bytes, size_t n,
                            struct length *ret)
{
    size_t length, i = 0;
    const char *end = delimiter(f, &length);
    ret->value = 0;
    for (; i < n && bytes[i] >= '0' && bytes[i] <= '9'; i++) {
        if (i == DIGITS_MAX - 1 || (i == 1 && bytes[0] == '0'))
            return LY_EFRAME;
        ret->value = ret->value * 10 + (bytes[i] - '0');
    }
    size_t there = n - i < length ? n - i : length;
    if (memcmp(bytes + i, end, there) != 0 || (i == 0 && there > 0))
        return LY_EFRAME;
    ret->need = i + (i == 0) + length;
    return there < length ? MORE : (ssize_t)(i + length);
}

/* ---- the kinds: writing a length. Each returns the bytes written or LY_ETOOBIG ---- */

static ssize_t write_binary(const struct ly_framing *f, uint64_t value, unsigned char *out)
{
    size_t width = (size_t)f->width, bits = 8 * width - (f->is_signed ? 1 : 0);
    if (bits < 64 && value >> bits)
        return LY_ETOOBIG;
    for (size_t i = 0; i < width; i++)
        out[is_little(f) ? i : width - 1 - i] = (unsigned char)(value >> (8 * i));
    return (ssize_t)width;
}

static ssize_t write_varint(const struct ly_framing *f, uint64_t value, unsigned char *out)
{
    size_t n = 0;
    (void)f;
    do {
        out[n] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
        n++;
    } while (value > 0);
    return (ssize_t)n;
}

static ssize_t write_ber(const struct ly_framing *f, uint64_t value, unsigned char *out)
{
    size_t count = 0;
    (void)f;
    if (value < 0x80) {
        out[0] = (unsigned char)value;
        return 1;
    }
    while (count < 8 && value >> (8 * count))
        count++;
    out[0] = (unsigned char)(0x80 | count);
    for (size_t i = 0; i < count; i++)
        out[1 + i] = (unsigned char)(value >> (8 * (count - 1 - i)));
    return (ssize_t)(1 + count);
}

static ssize_t write_decimal(const struct ly_framing *f, uint64_t value, unsigned char *out)
{
    unsigned char digits[24];
    size_t length, n = 0;
    const char *end = delimiter(f, &length);
    do
        digits[n++] = (unsigned char)('0' + value % 10);
    while ((value /= 10) > 0);
    if (n >= DIGITS_MAX)
        return LY_ETOOBIG;
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    memcpy(out + n, end, length);
    return (ssize_t)(n + length);
}

static const struct kind {
    ssize_t (*read)(const struct ly_framing *f, const unsigned char *bytes, size_t n, struct length *ret);
    ssize_t (*write)(const struct ly_framing *f, uint64_t value, unsigned char *out);
    size_t longest; /* bytes of a length, less the delimiter's; 0: there is none */
} kinds[] = {
    [LY_FRAMING_BINARY] = {read_binary, write_binary, 8},
    [LY_FRAMING_VARINT] = {read_varint, write_varint, 10},
    [LY_FRAMING_BER] = {read_ber, write_ber, 9},
    [LY_FRAMING_DECIMAL] = {read_decimal, write_decimal, DIGITS_MAX - 1},
    [LY_FRAMING_DELIMITER] = {NULL, NULL, 0},
    [LY_FRAMING_FIXED] = {NULL, NULL, 0},
};

/* ---- checking ---- */

int ly_framing_check(const struct ly_framing *f)
{
    size_t length, kind = (size_t)f->kind;
    if (kind >= sizeof kinds / sizeof *kinds)
        return -EINVAL;
    (void)delimiter(f, &length);
    size_t head = f->before + f->behind + kinds[kind].longest + (f->kind == LY_FRAMING_DECIMAL ? length : 0);
    bool widths = f->width == 1 || f->width == 2 || f->width == 4 || f->width == 8;
    if (length < 1 || length > LY_FRAMING_DELIMITER_MAX || tail_length(f) > LY_FRAMING_DELIMITER_MAX)
        return -EINVAL;
    if (f->kind == LY_FRAMING_BINARY && (!widths || f->order > LY_ORDER_BIG))
        return -EINVAL;
    if (f->kind == LY_FRAMING_DECIMAL && delimiter(f, &length)[0] >= '0' && delimiter(f, &length)[0] <= '9')
        return -EINVAL;
    if (f->kind == LY_FRAMING_FIXED && (f->size < 1 || f->size > limit(f)))
        return -EINVAL;
    if (f->before > LY_FRAMING_HEAD_MAX || f->behind > LY_FRAMING_HEAD_MAX || head > LY_FRAMING_HEAD_MAX)
        return -EINVAL;
    if (limit(f) > SSIZE_MAX / 4 || f->adjust > INT64_MAX / 4 || f->adjust < -INT64_MAX / 4)
        return -EINVAL;
    return kinds[kind].longest == 0 && (f->before || f->behind || f->adjust) ? -EINVAL : 0;
}

/* ---- decoding ---- */

/* What a message takes, as far as it is known. */
struct parts {
    size_t head, body, tail;
};

static ssize_t need(size_t *ret_need, size_t n)
{
    if (ret_need)
        *ret_need = n;
    return 0;
}

/* The body's bytes for a length that was read. */
static int body_of(const struct ly_framing *f, uint64_t value, size_t *ret)
{
    if (value > (uint64_t)INT64_MAX / 2)
        return LY_ETOOBIG;
    int64_t size = (int64_t)value + f->adjust;
    if (size < 0)
        return LY_EFRAME;
    if ((uint64_t)size > limit(f))
        return LY_ETOOBIG;
    *ret = (size_t)size;
    return 0;
}

/* The parts of a message with a length in front. Returns 1, 0 (more are needed) or an error. */
static int measure(const struct ly_framing *f, const char *bytes, size_t n, struct parts *ret,
                   size_t *ret_need)
{
    struct length length = {0, 0};
    size_t there = n < f->before ? 0 : n - f->before;
    ssize_t field = kinds[f->kind].read(f, (const unsigned char *)bytes + (n - there), there, &length);
    if (field == MORE)
        return (int)need(ret_need, f->before + length.need);
    if (field < 0)
        return (int)field;
    ret->head = f->before + (size_t)field + f->behind;
    int r = body_of(f, length.value, &ret->body);
    return r < 0 ? r : 1;
}

/* The parts of a message that ends at the delimiter; as above. */
static int search(const struct ly_framing *f, const char *bytes, size_t n, struct parts *ret,
                  size_t *ret_need, size_t *searched)
{
    size_t length, from = searched ? *searched : 0;
    const char *end = delimiter(f, &length);
    size_t most = limit(f) + length, window = n < most ? n : most;
    const char *at = from < window ? memmem(bytes + from, window - from, end, length) : NULL;
    if (at) {
        ret->body = (size_t)(at - bytes);
        ret->tail = length;
        return 1;
    }
    if (n >= most)
        return LY_ETOOBIG;
    if (searched)
        *searched = n >= length ? n - length + 1 : 0;
    return (int)need(ret_need, n + 1);
}

ssize_t ly_framing_decode(const struct ly_framing *f, const char *bytes, size_t n,
                          struct ly_message *ret_message, size_t *ret_need, size_t *searched)
{
    struct parts p = {0, f->size, 0};
    size_t tail = tail_length(f);
    int r = 1;

    if (f->kind == LY_FRAMING_DELIMITER)
        r = search(f, bytes, n, &p, ret_need, searched);
    else if (f->kind != LY_FRAMING_FIXED)
        r = measure(f, bytes, n, &p, ret_need);
    if (r <= 0)
        return r;
    size_t whole = p.head + p.body + p.tail;
    size_t there = n < whole ? 0 : n - whole < tail ? n - whole : tail;
    if (there > 0 && memcmp(bytes + whole, f->tail, there) != 0)
        return LY_EFRAME;
    if (n < whole + tail)
        return need(ret_need, whole + tail);
    *ret_message = (struct ly_message){bytes, p.head, bytes + p.head, p.body};
    return (ssize_t)(whole + tail);
}

/* ---- encoding ---- */

ssize_t ly_framing_head(const struct ly_framing *f, size_t n, char *out)
{
    if (n > limit(f))
        return LY_ETOOBIG;
    if (f->kind == LY_FRAMING_FIXED && n != f->size)
        return LY_EFRAME;
    if (!kinds[f->kind].write)
        return 0;
    int64_t value = (int64_t)n - f->adjust;
    if (value < 0)
        return LY_EFRAME;
    memset(out, 0, f->before);
    ssize_t field = kinds[f->kind].write(f, (uint64_t)value, (unsigned char *)out + f->before);
    if (field < 0)
        return field;
    memset(out + f->before + field, 0, f->behind);
    return (ssize_t)f->before + field + (ssize_t)f->behind;
}

int ly__framing_envelope(const struct ly_framing *f, const void *body, size_t n, struct ly__envelope *ret)
{
    size_t length = 0, tail = tail_length(f);
    const char *end = f->kind == LY_FRAMING_DELIMITER ? delimiter(f, &length) : "";
    ssize_t head = ly_framing_head(f, n, ret->head);

    if (head < 0)
        return (int)head;
    if (length > 0 && n > 0 && memmem(body, n, end, length))
        return LY_EFRAME;
    ret->head_length = (size_t)head;
    memcpy(ret->end, end, length);
    if (tail > 0)
        memcpy(ret->end + length, f->tail, tail);
    ret->end_length = length + tail;
    return 0;
}

int ly_framing_append(const struct ly_framing *f, struct ly_buffer *b, const void *body, size_t n)
{
    struct ly__envelope e;
    char *place;
    int r = ly__framing_envelope(f, body, n, &e);
    if (r == 0)
        r = ly_buffer_reserve(b, e.head_length + n + e.end_length, &place);
    if (r < 0)
        return r;
    memcpy(place, e.head, e.head_length);
    if (n > 0)
        memcpy(place + e.head_length, body, n);
    memcpy(place + e.head_length + n, e.end, e.end_length);
    ly_buffer_commit(b, e.head_length + n + e.end_length);
    return 0;
}
