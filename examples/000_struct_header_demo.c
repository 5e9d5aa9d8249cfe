/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: how a length that no C int can hold travels all the same: as text, in a JSON object, whose
 * own length fits into 4 bytes. No network.
 *
 * Bytes: struct.pack('i', n) is 4 bytes, signed, in the machine's own order. ly_frame_begin and ly_frame_end
 * write them little-endian on every machine, in front of the object.
 */
#include "python_form.h"
#include <string.h>

static int demonstrate(struct ly_buffer *head)
{
    int32_t length;
    int r = ly_frame_begin(head);
    if (r == 0)
        r = ly_json_put_int(head, "total_size", 10241321431312);
    if (r == 0)
        r = ly_frame_end(head, 0);
    if (r < 0)
        return r;

    const char *bytes = ly_buffer_bytes(head);
    py_print("%.*s\n", (int)(head->length - sizeof length), bytes + sizeof length);
    py_print("%zu\n", head->length - sizeof length);
    py_print("%zu\n", sizeof length);
    memcpy(&length, bytes, sizeof length); /* struct.unpack('i', ...) */
    py_print("(%d,)\n", length);
    return 0;
}

int main(void)
{
    struct ly_buffer head;
    ly_buffer_init(&head, LY_FRAME_HEADER_MAX);
    int r = demonstrate(&head);
    ly_buffer_done(&head);
    return py_end(r);
}
