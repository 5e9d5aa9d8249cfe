/* SPDX-License-Identifier: MIT */
/* A head decoded at once and a head decoded as its bytes arrive give the same answer, and it is within its
 * bounds. */
#include <lanyard/frame.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* As a receiver does: never look again before the bytes asked for are there. */
static ssize_t decode_slowly(const char *bytes, size_t size)
{
    struct ly_frame frame;
    size_t have = 0, need = 1;
    for (;;) {
        ssize_t r = ly_frame_decode(bytes, have, &frame, &need);
        if (r != 0)
            return r;
        require(need > have && need <= LY_FRAME_HEADER_MAX + 4);
        if (need > size)
            return 0;
        have = need;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct ly_frame frame = {{NULL, 0}, -1};
    ssize_t r = ly_frame_decode(bytes, size, &frame, NULL);
    require(r == decode_slowly(bytes, size));
    if (r <= 0) {
        require(r == 0 || r == LY_ETOOBIG || r == LY_EFRAME || r == LY_EJSON);
        require(frame.size == -1 && frame.header.text == NULL);
        return 0;
    }
    require((size_t)r <= size && frame.size >= 0);
    require(ly_json_type(frame.header) == LY_JSON_OBJECT);
    int64_t size_again = 0; /* "size" is noted during the check; finding it afterwards gives the same */
    struct ly_json field = ly_json_get(frame.header, "size");
    require(ly_json_type(field) == LY_JSON_NONE || ly_json_int(field, &size_again) == 0);
    require(frame.size == size_again);
    require(frame.header.text >= bytes + 4 && frame.header.text + frame.header.length <= bytes + r);
    return 0;
}
