/* SPDX-License-Identifier: MIT */
/* Texts that are accepted: every value is reached, and written out again it reads back as the same. */
#include <lanyard/json.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void copy_value(struct ly_buffer *out, const char *name, struct ly_json value);

static char *decode(struct ly_json string)
{
    char *text = malloc(string.length);
    require(text && ly_json_string(string, text, string.length) >= 0);
    require(ly_json_equal(string, text));
    return text;
}

static void copy_container(struct ly_buffer *out, const char *name, struct ly_json value,
                           const char brackets[2])
{
    struct ly_json key, member;
    size_t it = 0;
    require(ly_json_open(out, name, brackets[0]) == 0);
    while (ly_json_next(value, &it, &key, &member)) {
        char *text = key.length > 0 ? decode(key) : NULL;
        require((text != NULL) == (brackets[0] == '{'));
        if (text)
            require(ly_json_get(value, text).length > 0);
        copy_value(out, text, member);
        free(text);
    }
    require(ly_json_close(out, brackets[1]) == 0);
}

static void copy_scalar(struct ly_buffer *out, const char *name, struct ly_json value)
{
    int64_t integer;
    double number;
    bool truth;
    if (ly_json_int(value, &integer) == 0)
        require(ly_json_put_int(out, name, integer) == 0);
    else if (ly_json_double(value, &number) == 0)
        require(ly_json_put_double(out, name, number) == 0);
    else if (ly_json_bool(value, &truth) == 0)
        require(ly_json_put_bool(out, name, truth) == 0);
    else
        require(ly_json_put_string(out, name, "") == 0); /* null, or a number out of range */
}

static void copy_value(struct ly_buffer *out, const char *name, struct ly_json value)
{
    char *text;
    switch (ly_json_type(value)) {
    case LY_JSON_OBJECT:
        copy_container(out, name, value, "{}");
        break;
    case LY_JSON_ARRAY:
        copy_container(out, name, value, "[]");
        break;
    case LY_JSON_STRING:
        text = decode(value);
        require(ly_json_put_string(out, name, text) == 0);
        free(text);
        break;
    default:
        copy_scalar(out, name, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ly_json value, again;
    struct ly_buffer first, second;
    if (size > 1 << 16 || ly_json_check(&value, (const char *)data, size) < 0)
        return 0;
    ly_buffer_init(&first, 1 << 22);
    ly_buffer_init(&second, 1 << 22);
    copy_value(&first, NULL, value);
    require(ly_json_check(&again, ly_buffer_bytes(&first), first.length) == 0);
    require(again.length == first.length);
    copy_value(&second, NULL, again);
    require(first.length == second.length &&
            memcmp(ly_buffer_bytes(&first), ly_buffer_bytes(&second), first.length) == 0);
    ly_buffer_done(&first);
    ly_buffer_done(&second);
    return 0;
}
