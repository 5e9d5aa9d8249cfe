/* SPDX-License-Identifier: MIT */
/*
 * Heads of requests and responses, and trailers: a state machine over bytes that come in any pieces.
 *
 * The caller keeps all bytes of the head in one run and shows the run again, longer, each time some have come
 * (a stream's buffer is such a run). The machine goes on at the byte where it stopped, so that nothing is
 * looked at twice, and keeps positions instead of pointers, so that the run may move.
 *
 * A state is a function that reads as far as it can: it returns GO (the state has changed), MORE (the run is
 * used up), DONE, or an error. The run is first cut to what the limits allow, so a state need not know them,
 * and the answer does not depend on how the bytes were cut: the earliest byte that is wrong, or too many,
 * decides.
 *
 * What is refused, and never mended: any line end but CR LF; a CR without LF; control characters; more or
 * fewer blanks than one between the parts of the first line; a blank before a colon; a line that begins with
 * a blank (obs-fold); a name that is no token. Each of these is read differently by somebody, and a message
 * that two recipients delimit differently is one that smuggles another. The one thing passed over is an empty
 * line before a request (RFC 9112, 2.2).
 */
#include "wire/http.h"

#define METHOD_MAX 32 /* bytes of a method; RFC 9112, 3 has a longer one answered by 501 */
#define HEAD_DEFAULT 32768

enum { MORE, GO, DONE };

enum state {
    BEGIN,    /* of a request: an empty line may come first */
    EMPTY_LF, /* its LF */
    METHOD,   /* up to the blank */
    TARGET,   /* up to the blank */
    VERSION,  /* "HTTP/1.1" and CR of a request */
    ANSWER,   /* "HTTP/1.1 200 " of a response */
    REASON,   /* up to CR */
    FIRST_LF, /* of the first line */
    FIELD,    /* first byte of a line: another field or the end */
    NAME,     /* up to the colon */
    BLANKS,   /* between colon and value */
    VALUE,    /* up to CR */
    VALUE_LF, /* of a field's line */
    LAST_LF,  /* of the empty line */
    FAILED,   /* after an error */
    STATES_COUNT
};

int ly__http_refuse(struct ly_http_head *h, int refusal, const char *why)
{
    h->refusal = refusal;
    h->why = why;
    h->own.state = FAILED;
    return refusal == 413 || refusal == 414 || refusal == 431 ? LY_ETOOBIG : LY_EHTTP;
}

static int go(struct ly_http_head *h, enum state state)
{
    h->own.state = (uint8_t)state;
    return GO;
}

/* Pass the byte at hand, and go on to a token that begins behind it. */
static int pass(struct ly_http_head *h, enum state state)
{
    h->own.at++;
    h->own.mark = h->own.at;
    return go(h, state);
}

/* ---- the first line ---- */

static int begin(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    if (h->own.at == end)
        return MORE;
    return bytes[h->own.at] == '\r' ? pass(h, EMPTY_LF) : go(h, METHOD);
}

static int empty_lf(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != '\n')
        return ly__http_refuse(h, 400, "CR without LF");
    return pass(h, METHOD);
}

static int method(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    uint32_t longest = h->own.mark + METHOD_MAX + 1;
    uint32_t stop = end < longest ? end : longest;
    h->own.at = (uint32_t)(ly__http_skip(bytes + h->own.at, bytes + stop, LY__HTTP_TOKEN) - bytes);
    uint32_t n = h->own.at - h->own.mark;
    if (n > METHOD_MAX)
        return ly__http_refuse(h, 501, "the method is too long");
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != ' ' || n == 0)
        return ly__http_refuse(h, 400, "the method is no token");
    h->own.method = (uint16_t)h->own.mark;
    h->own.method_n = (uint16_t)n;
    return pass(h, TARGET);
}

static int target(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    h->own.at = (uint32_t)(ly__http_skip(bytes + h->own.at, bytes + end, LY__HTTP_TARGET) - bytes);
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != ' ' || h->own.at == h->own.mark)
        return ly__http_refuse(h, 400, "a byte in the target that cannot be there");
    h->own.target = (uint16_t)h->own.mark;
    h->own.target_n = (uint16_t)(h->own.at - h->own.mark);
    return pass(h, VERSION);
}

/* "HTTP/" DIGIT "." DIGIT, then the byte `last`; looked at byte by byte, since any byte may be the last that
 * has come. Returns MORE, GO (complete, nothing passed) or an error. */
static int read_version(struct ly_http_head *h, const char *bytes, uint32_t end, char last)
{
    const char shape[] = {'H', 'T', 'T', 'P', '/', '0', '.', '0', last};
    for (; h->own.at < end; h->own.at++) {
        uint32_t i = h->own.at - h->own.mark;
        char c = bytes[h->own.at];
        if (i == sizeof shape)
            break;
        if (shape[i] == '0' ? !ly__http_is_digit(c) : c != shape[i])
            return ly__http_refuse(h, 400, "no version of HTTP");
    }
    if (h->own.at - h->own.mark < sizeof shape)
        return MORE;
    if (bytes[h->own.mark + 5] != '1')
        return ly__http_refuse(h, 505, "another version than HTTP/1.x");
    h->version = bytes[h->own.mark + 7] == '0' ? 10 : 11;
    return GO;
}

static int version(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    int r = read_version(h, bytes, end, '\r');
    return r == GO ? go(h, FIRST_LF) : r;
}

static int answer(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    static const uint32_t before = 9; /* bytes of "HTTP/1.1 " */
    if (h->own.at < h->own.mark + before) {
        int r = read_version(h, bytes, end, ' ');
        if (r != GO)
            return r;
    }
    for (; h->own.at < end && h->own.at < h->own.mark + before + 3; h->own.at++) {
        char c = bytes[h->own.at];
        if (!ly__http_is_digit(c) || (h->status == 0 && (c < '1' || c > '5')))
            return ly__http_refuse(h, 400, "no status");
        h->status = h->status * 10 + (c - '0');
    }
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != ' ')
        return ly__http_refuse(h, 400, "no status");
    return pass(h, REASON);
}

static int reason(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    h->own.at = (uint32_t)(ly__http_skip_value(bytes + h->own.at, bytes + end) - bytes);
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != '\r')
        return ly__http_refuse(h, 400, "a control character in the reason");
    h->own.reason = (uint16_t)h->own.mark;
    h->own.reason_n = (uint16_t)(h->own.at - h->own.mark);
    return pass(h, FIRST_LF);
}

static int first_lf(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != '\n')
        return ly__http_refuse(h, 400, "CR without LF");
    h->own.line = h->own.at + 1;
    return pass(h, FIELD);
}

/* ---- fields ---- */

static int field(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    if (h->own.at == end)
        return MORE;
    char c = bytes[h->own.at];
    if (c == '\r')
        return pass(h, LAST_LF);
    if (c == ' ' || c == '\t')
        return ly__http_refuse(h, 400, "a line begins with a blank");
    if (h->count == h->own.fields_max)
        return ly__http_refuse(h, 431, "too many fields");
    return go(h, NAME);
}

static int name(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    h->own.at = (uint32_t)(ly__http_skip(bytes + h->own.at, bytes + end, LY__HTTP_TOKEN) - bytes);
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != ':' || h->own.at == h->own.mark)
        return ly__http_refuse(h, 400, "the name of a field is no token");
    h->fields[h->count].name = (uint16_t)h->own.mark;
    h->fields[h->count].name_length = (uint16_t)(h->own.at - h->own.mark);
    return pass(h, BLANKS);
}

static int blanks(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    while (h->own.at < end && (bytes[h->own.at] == ' ' || bytes[h->own.at] == '\t'))
        h->own.at++;
    if (h->own.at == end)
        return MORE;
    h->own.mark = h->own.at;
    return go(h, VALUE);
}

static int value(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    h->own.at = (uint32_t)(ly__http_skip_value(bytes + h->own.at, bytes + end) - bytes);
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != '\r')
        return ly__http_refuse(h, 400, "a control character in a field");
    uint32_t stop = h->own.at;
    while (stop > h->own.mark && (bytes[stop - 1] == ' ' || bytes[stop - 1] == '\t'))
        stop--;
    h->fields[h->count].value = (uint16_t)h->own.mark;
    h->fields[h->count].value_length = (uint16_t)(stop - h->own.mark);
    return pass(h, VALUE_LF);
}

static int value_lf(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != '\n')
        return ly__http_refuse(h, 400, "CR without LF");
    int r = ly__http_field_read(h, bytes, &h->fields[h->count]);
    if (r < 0)
        return r;
    h->count++;
    h->own.line = h->own.at + 1;
    return pass(h, FIELD);
}

static int last_lf(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    if (h->own.at == end)
        return MORE;
    if (bytes[h->own.at] != '\n')
        return ly__http_refuse(h, 400, "CR without LF");
    h->own.at++;
    return DONE;
}

static int failed(struct ly_http_head *h, const char *bytes, uint32_t end)
{
    (void)bytes;
    (void)end;
    return ly__http_refuse(h, h->refusal, h->why);
}

/* ---- the whole ---- */

typedef int step(struct ly_http_head *h, const char *bytes, uint32_t end);

static step *const steps[STATES_COUNT] = {
    [BEGIN] = begin,   [EMPTY_LF] = empty_lf, [METHOD] = method,     [TARGET] = target,   [VERSION] = version,
    [ANSWER] = answer, [REASON] = reason,     [FIRST_LF] = first_lf, [FIELD] = field,     [NAME] = name,
    [BLANKS] = blanks, [VALUE] = value,       [VALUE_LF] = value_lf, [LAST_LF] = last_lf, [FAILED] = failed,
};

static uint32_t limit(size_t asked, size_t otherwise, size_t most)
{
    size_t limit = asked ? asked : otherwise;
    return (uint32_t)(limit < most ? limit : most);
}

void ly_http_head_init(struct ly_http_head *h, enum ly_http_kind kind, const struct ly_http_limits *limits)
{
    static const struct ly_http_limits defaults = {0};
    static const uint8_t first[] = {
        [LY_HTTP_REQUEST] = BEGIN, [LY_HTTP_RESPONSE] = ANSWER, [LY_HTTP_TRAILERS] = FIELD};
    const struct ly_http_limits *l = limits ? limits : &defaults;

    memset(h, 0, offsetof(struct ly_http_head, fields));
    memset(&h->own, 0, sizeof h->own);
    h->kind = kind;
    h->content_length = -1;
    h->own.state = first[kind];
    h->own.head_max = limit(l->head, HEAD_DEFAULT, LY_HTTP_HEAD_MAX);
    h->own.line_max = limit(l->line, LY_HTTP_LINE_MAX, h->own.head_max);
    h->own.fields_max =
        (uint8_t)limit(l->fields > 0 ? (size_t)l->fields : 0, LY_HTTP_FIELDS_MAX, LY_HTTP_FIELDS_MAX);
}

/* The run is used up: more bytes are needed, unless the limits say that there are too many already. */
static int check_limits(struct ly_http_head *h)
{
    bool in_first = h->own.state < FIELD;
    if (h->own.at - h->own.line >= h->own.line_max)
        return ly__http_refuse(h, in_first ? 414 : 431,
                               in_first ? "the target is too long" : "a field is too long");
    if (h->own.at >= h->own.head_max)
        return ly__http_refuse(h, in_first ? 414 : 431, "the head is too long");
    return MORE;
}

static struct ly_http_text text_at(const char *bytes, uint16_t at, uint16_t n)
{
    return (struct ly_http_text){bytes + at, n};
}

static int finish(struct ly_http_head *h)
{
    if (h->kind == LY_HTTP_REQUEST) {
        h->method_text = text_at(h->bytes, h->own.method, h->own.method_n);
        h->method = ly_http_method_of(h->method_text.bytes, h->method_text.length);
        h->target = text_at(h->bytes, h->own.target, h->own.target_n);
        h->host = text_at(h->bytes, h->own.host, h->own.host_n);
        int r = ly__http_target_read(h);
        if (r < 0)
            return r;
    }
    if (h->kind == LY_HTTP_RESPONSE)
        h->reason = text_at(h->bytes, h->own.reason, h->own.reason_n);
    return ly__http_fields_end(h);
}

ssize_t ly_http_head_parse(struct ly_http_head *h, const char *bytes, size_t n)
{
    uint32_t have = n < h->own.head_max ? (uint32_t)n : h->own.head_max;
    int r = GO;

    h->bytes = bytes;
    while (r == GO) {
        uint32_t line_end = h->own.line + h->own.line_max;
        r = steps[h->own.state](h, bytes, have < line_end ? have : line_end);
    }
    if (r == MORE)
        r = check_limits(h);
    if (r == DONE)
        r = finish(h);
    else if (r == MORE)
        return 0;
    return r < 0 ? r : (ssize_t)h->own.at;
}

static void move(struct ly_http_text *text, const char *from, const char *to)
{
    if (text->bytes)
        text->bytes = to + (text->bytes - from);
}

void ly_http_head_move(struct ly_http_head *h, const char *bytes)
{
    struct ly_http_text *const texts[] = {&h->method_text, &h->target, &h->host,
                                          &h->path,        &h->query,  &h->reason};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        move(texts[i], h->bytes, bytes);
    h->bytes = bytes;
}

/* ---- looking at fields ---- */

void ly_http_head_at(const struct ly_http_head *h, int i, struct ly_http_text *ret_name,
                     struct ly_http_text *ret_value)
{
    const struct ly_http_field *f = &h->fields[i];
    *ret_name = text_at(h->bytes, f->name, f->name_length);
    *ret_value = text_at(h->bytes, f->value, f->value_length);
}

bool ly_http_head_find(const struct ly_http_head *h, const char *wanted, int *from,
                       struct ly_http_text *ret_value)
{
    struct ly_http_text name_text, value_text;
    size_t n = strlen(wanted);
    for (int i = from ? *from : 0; i < h->count; i++) {
        if (h->fields[i].name_length != n)
            continue;
        ly_http_head_at(h, i, &name_text, &value_text);
        if (!ly_http_text_is(name_text, wanted))
            continue;
        if (from)
            *from = i + 1;
        *ret_value = value_text;
        return true;
    }
    return false;
}

bool ly_http_head_lists(const struct ly_http_head *h, const char *wanted, const char *token)
{
    struct ly_http_text list, element;
    int from = 0;
    while (ly_http_head_find(h, wanted, &from, &list))
        while (ly__http_list_next(&list, &element))
            if (ly_http_text_is(element, token))
                return true;
    return false;
}
