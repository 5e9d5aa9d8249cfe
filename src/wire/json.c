/* SPDX-License-Identifier: MIT */
/*
 * Checking JSON.
 *
 * The problem: a header comes from anyone, several times a microsecond, and is looked at once. A tree of
 * nodes would cost an allocation per value, driven by the peer, and be thrown away at once.
 *
 * The design: one pass proves that the text is what RFC 8259 and docs/protocol.md allow. Every later question
 * (the member of a name, the next element, the bytes of a string) is answered from the text itself, without
 * an error path, by code that relies on this proof: it may look for the closing quotation mark without a
 * bound, because there is one. Nothing is allocated, and the stack holds some 600 bytes, less than 150 more
 * for each level of nesting, and 6 KiB for an object of very many names.
 *
 * Every function here takes where it is and returns where it got to, or NULL where the text is malformed.
 * Nesting is recursion, bounded by LY_JSON_DEPTH.
 *
 * Two equal names in the outermost object are refused, because two readers that each take another one of them
 * can be played off against each other. Comparing each name with all before it is quadratic, so the first
 * SEEN_MAX are compared as they come, by 8 bytes and the length, and an object of more is left to a hash
 * table (json_names.c).
 *
 * Lone surrogates: U+DC80..U+DCFF stand for the bytes 0x80..0xFF (see json_write.c). All others stand for
 * nothing, and one below U+DC80 would smuggle an ASCII byte such as '/' past whoever looks at the text; they
 * are refused.
 */
#include "wire/json.h"
#include "base/utf8.h"
#include "wire/text.h"
#include <string.h>

#define SEEN_MAX 24

struct check {
    const char *end;       /* of the text */
    unsigned depth;        /* containers open */
    unsigned seen;         /* names of the outermost object so far; those from SEEN_MAX on are only counted */
    const char *wanted;    /* a member of the outermost object to look for, or NULL */
    uint64_t wanted_key;   /* its name's key */
    bool is_wanted;        /* the name just read is that one */
    struct ly_json member; /* its value */
    struct seen {
        uint64_t key;     /* differs where the names certainly differ */
        const char *name; /* its opening quotation mark */
        size_t length;    /* with both quotation marks */
    } names[SEEN_MAX];
};

static const char *check_value(struct check *k, const char *p);

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* Four hexadecimal digits at p, as a number; -1 where there are none. */
static int hex4(const char *p, const char *end)
{
    int code = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int lower = c | 0x20;
        int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* p is behind "\u". */
static const char *check_unicode(const char *p, const char *end)
{
    int code = hex4(p, end);
    if (code <= 0)
        return NULL;
    p += 4;
    if (code < 0xD800 || code > 0xDFFF)
        return p;
    if (code >= 0xDC00)
        return code >= 0xDC80 && code <= 0xDCFF ? p : NULL;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return NULL;
    code = hex4(p + 2, end);
    return code >= 0xDC00 && code <= 0xDFFF ? p + 6 : NULL;
}

static const char *check_escape(const char *p, const char *end)
{
    if (p == end)
        return NULL;
    switch (*p) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 1;
    case 'u':
        return check_unicode(p + 1, end);
    default:
        return NULL;
    }
}

/* p is behind the opening quotation mark. */
static const char *check_string(const char *p, const char *end)
{
    for (;;) {
        p = ly__text_skip_plain(p, end);
        if (p == end)
            return NULL;
        unsigned char c = (unsigned char)*p;
        if (c == '"')
            return p + 1;
        if (c == '\\') {
            p = check_escape(p + 1, end);
        } else {
            uint32_t code;
            size_t n = c < 0x20 ? 0 : ly__utf8_decode(p, (size_t)(end - p), &code);
            p = n > 0 ? p + n : NULL;
        }
        if (!p)
            return NULL;
    }
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* At least one digit. */
static const char *check_digits(const char *p, const char *end)
{
    const char *after = skip_digits(p, end);
    return after > p ? after : NULL;
}

static const char *check_exponent(const char *p, const char *end)
{
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    return check_digits(p, end);
}

static const char *check_number(const char *p, const char *end)
{
    if (*p == '-')
        p++;
    if (p < end && *p == '0')
        p++; /* no digit may follow: what comes next will not fit */
    else
        p = check_digits(p, end);
    if (p && p < end && *p == '.')
        p = check_digits(p + 1, end);
    if (p && p < end && (*p == 'e' || *p == 'E'))
        p = check_exponent(p + 1, end);
    return p;
}

static const char *check_word(const char *p, const char *end, const char *word, size_t n)
{
    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

/* The key by which names are compared: the first 8 bytes, of n, and the length, both decoded. */
static uint64_t make_key(uint64_t first, size_t n)
{
    if (n < 8) { /* cut off what is behind the name */
        unsigned drop = 64 - 8 * (unsigned)n;
        first = n == 0 ? 0 : __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? first << drop : first >> drop;
    }
    return first ^ (uint64_t)n * UINT64_C(0x9E3779B97F4A7C15);
}

/* The key of a name of n plain bytes at p, behind which the text goes on up to end. */
static uint64_t plain_key(const char *p, size_t n, const char *end)
{
    uint64_t first = 0;
    if (end - p >= 8)
        memcpy(&first, p, 8);
    else
        memcpy(&first, p, n);
    return make_key(first, n);
}

static uint64_t decoded_key(const char *p, const char *end)
{
    char first[8 + 4] = {0};
    size_t n = 0;
    while (p < end) {
        char unit[4];
        size_t m = ly__json_unit(&p, unit);
        if (n < 8)
            memcpy(first + n, unit, m);
        n += m;
    }
    uint64_t bytes;
    memcpy(&bytes, first, sizeof bytes);
    return make_key(bytes, n);
}

/* Whether a name of the outermost object is there already; remembers it. */
static bool name_repeats(struct check *k, const char *name, size_t length, uint64_t key)
{
    unsigned count = k->seen++;
    k->is_wanted =
        k->wanted && key == k->wanted_key && ly_json_equal((struct ly_json){name, length}, k->wanted);
    if (count >= SEEN_MAX)
        return false; /* ly_json_check sees to it in the end */
    for (const struct seen *s = k->names; s < k->names + count; s++)
        if (s->key == key &&
            ly__json_same((struct ly_json){s->name, s->length}, (struct ly_json){name, length}))
            return true;
    k->names[count] = (struct seen){key, name, length};
    return false;
}

/* A name and its colon. */
static const char *check_name(struct check *k, const char *p)
{
    const char *name = p;
    if (p == k->end || *p != '"')
        return NULL;
    const char *stop = ly__text_skip_plain(p + 1, k->end);
    bool plain = stop < k->end && *stop == '"';
    p = plain ? stop + 1 : check_string(stop, k->end);
    if (!p)
        return NULL;
    if (k->depth == 1) {
        size_t length = (size_t)(p - name);
        uint64_t key = plain ? plain_key(name + 1, length - 2, k->end) : decoded_key(name + 1, p - 1);
        if (name_repeats(k, name, length, key))
            return NULL;
    }
    p = skip_space(p, k->end);
    return p < k->end && *p == ':' ? skip_space(p + 1, k->end) : NULL;
}

static const char *check_wanted(struct check *k, const char *p)
{
    k->is_wanted = false;
    const char *after = check_value(k, p);
    if (after)
        k->member = (struct ly_json){p, (size_t)(after - p)};
    return after;
}

/* p is behind the opening bracket, and shut is the closing one. */
static const char *check_container(struct check *k, const char *p, char shut)
{
    if (++k->depth > LY_JSON_DEPTH)
        return NULL;
    p = skip_space(p, k->end);
    if (p < k->end && *p == shut) {
        k->depth--;
        return p + 1;
    }
    for (;;) {
        if (shut == '}' && !(p = check_name(k, p)))
            return NULL;
        p = k->depth == 1 && k->is_wanted ? check_wanted(k, p) : check_value(k, p);
        if (!p)
            return NULL;
        p = skip_space(p, k->end);
        if (p == k->end || (*p != ',' && *p != shut))
            return NULL;
        if (*p == shut)
            break;
        p = skip_space(p + 1, k->end);
    }
    k->depth--;
    return p + 1;
}

static const char *check_value(struct check *k, const char *p)
{
    if (p == k->end)
        return NULL;
    switch (*p) {
    case '{':
        return check_container(k, p + 1, '}');
    case '[':
        return check_container(k, p + 1, ']');
    case '"':
        return check_string(p + 1, k->end);
    case 't':
        return check_word(p, k->end, "true", 4);
    case 'f':
        return check_word(p, k->end, "false", 5);
    case 'n':
        return check_word(p, k->end, "null", 4);
    default:
        return *p == '-' || (*p >= '0' && *p <= '9') ? check_number(p, k->end) : NULL;
    }
}

static uint64_t wanted_key(const char *name)
{
    size_t n = strlen(name);
    return plain_key(name, n, name + n);
}

int ly__json_check_member(struct ly_json *ret_value, const char *text, size_t length, const char *name,
                          struct ly_json *ret_member)
{
    if (length == 0)
        return LY_EJSON; /* text may be NULL */
    struct check k;      /* not the whole of it is initialised: most names are never there */
    k.end = text + length;
    k.depth = 0;
    k.seen = 0;
    k.wanted = name;
    k.wanted_key = name ? wanted_key(name) : 0;
    k.is_wanted = false;
    k.member = (struct ly_json){NULL, 0};
    const char *start = skip_space(text, k.end);
    const char *after = check_value(&k, start);
    if (!after || skip_space(after, k.end) != k.end)
        return LY_EJSON;
    struct ly_json value = {start, (size_t)(after - start)};
    if (k.seen > SEEN_MAX && ly__json_names_repeat(value))
        return LY_EJSON;
    *ret_value = value;
    *ret_member = k.member;
    return 0;
}

int ly_json_check(struct ly_json *ret_value, const char *text, size_t length)
{
    struct ly_json none;
    return ly__json_check_member(ret_value, text, length, NULL, &none);
}
