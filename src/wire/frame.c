/* SPDX-License-Identifier: MIT */
/* The head of a frame, without I/O: what docs/protocol.md, section 2, says about lengths is enforced here and
 * nowhere else. */
#include "wire/json.h"
#include <errno.h>
#include <lanyard/frame.h>

#define PREFIX 4                    /* bytes of the length */
#define BODY_MAX (INT64_C(1) << 62) /* largest "size" */

/*
 * The length is a signed number in the programs that the format comes from. Read as an unsigned one, all
 * negative numbers lie above the limit, so that one comparison refuses both.
 */
static uint32_t read_length(const char *bytes)
{
    const unsigned char *p = (const unsigned char *)bytes;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void write_length(char *bytes, uint32_t length)
{
    for (int i = 0; i < PREFIX; i++)
        bytes[i] = (char)(length >> 8 * i & 0xFF);
}

static int read_size(struct ly_json field, int64_t *ret_size)
{
    int64_t size = 0;
    if (ly_json_type(field) != LY_JSON_NONE && ly_json_int(field, &size) < 0)
        return LY_EFRAME;
    if (size < 0 || size > BODY_MAX)
        return LY_EFRAME;
    *ret_size = size;
    return 0;
}

ssize_t ly_frame_decode(const char *bytes, size_t n, struct ly_frame *ret_frame, size_t *ret_need)
{
    struct ly_frame frame;
    size_t need = PREFIX;
    if (n >= PREFIX) {
        uint32_t length = read_length(bytes);
        if (length > LY_FRAME_HEADER_MAX)
            return LY_ETOOBIG;
        if (length < 2)
            return LY_EFRAME;
        need += length;
    }
    if (ret_need)
        *ret_need = need;
    if (n < need || n < PREFIX)
        return 0;
    struct ly_json size;
    int r = ly__json_check_member(&frame.header, bytes + PREFIX, need - PREFIX, "size", &size);
    if (r < 0)
        return r;
    if (ly_json_type(frame.header) != LY_JSON_OBJECT)
        return LY_EFRAME;
    r = read_size(size, &frame.size);
    if (r < 0)
        return r;
    *ret_frame = frame;
    return (ssize_t)need;
}

int ly_frame_begin(struct ly_buffer *b)
{
    static const char opened[PREFIX + 1] = {0, 0, 0, 0, '{'};
    ly_buffer_clear(b);
    return ly_buffer_append(b, opened, sizeof opened);
}

int ly_frame_end(struct ly_buffer *b, int64_t size)
{
    if (size < 0)
        return -EINVAL;
    if (size > BODY_MAX)
        return LY_ETOOBIG;
    int r = size > 0 ? ly_json_put_int(b, "size", size) : 0;
    if (r == 0)
        r = ly_json_close(b, '}');
    if (r < 0)
        return r;
    size_t length = b->length - PREFIX;
    if (length > LY_FRAME_HEADER_MAX)
        return LY_ETOOBIG;
    write_length(ly_buffer_bytes(b), (uint32_t)length);
    return 0;
}
