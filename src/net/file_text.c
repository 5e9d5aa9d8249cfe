/* SPDX-License-Identifier: MIT */
/*
 * Decoding and encoding text.
 *
 * UTF-8 is handled here, by base/utf8.h: validated and copied, a vector at a time where it is ASCII. All
 * other encodings go through iconv(3), and what that makes is validated again: of UCS-4 it makes UTF-8 of
 * numbers that are no characters.
 *
 * A decoder keeps the bytes that are not decoded yet, so that a character which is cut by the end of a packet
 * waits for its rest. How many bytes one U+FFFD stands for is what Python's decoders do: the longest
 * beginning of a character in UTF-8, one unit (1, 2 or 4 bytes) elsewhere, and at the end of the stream all
 * of what is left of a cut one.
 *
 * Newlines are translated in place, behind the decoding. A "\r" is given as "\n" at once, and the decoder
 * remembers to drop a "\n" that follows: so a line that ends with "\r" is there when it has come, and does
 * not wait for the first byte of the next one.
 *
 * UTF-16 and UTF-32 without a byte order in their names are written as the machine's, behind a mark which is
 * written here: iconv would write it again after each return to its first state.
 */
#include "net/file_text.h"
#include "base/utf8.h"
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NONE ((iconv_t)-1)
#define REPLACEMENT "\xef\xbf\xbd"
#define ROOM (LY__TEXT_ROOM / 2) /* a character, or what stands for one, is only begun with so much room */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST "LE"
static const char *const marks[] = {[2] = "\xff\xfe", [4] = "\xff\xfe\0\0"};
#else
#define HOST "BE"
static const char *const marks[] = {[2] = "\xfe\xff", [4] = "\0\0\xfe\xff"};
#endif

/* ---- names ---- */

/* Names that Python knows and iconv does not, in lower case with "-" for "_". */
static const struct {
    const char *name, *iconv;
} aliases[] = {
    {"utf-8", ""},
    {"utf8", ""},
    {"u8", ""},
    {"latin-1", "ISO-8859-1"},
    {"l1", "ISO-8859-1"},
    {"iso8859-1", "ISO-8859-1"},
    {"utf16", "UTF-16"},
    {"u16", "UTF-16"},
    {"utf-16-le", "UTF-16LE"},
    {"utf-16-be", "UTF-16BE"},
    {"utf32", "UTF-32"},
    {"u32", "UTF-32"},
    {"utf-32-le", "UTF-32LE"},
    {"utf-32-be", "UTF-32BE"},
};

/* Only letters, digits and a few signs: "//" would have iconv itself replace what it cannot convert. */
static int copy_name(char *to, size_t size, const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n >= size)
        return LY_EENCODING;
    for (size_t i = 0; i <= n; i++) {
        char c = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
        if (c && !isalnum((unsigned char)c) && !strchr("-.:+()", c))
            return LY_EENCODING;
        to[i] = c;
    }
    return 0;
}

static bool starts_with(const char *text, const char *start)
{
    return strncasecmp(text, start, strlen(start)) == 0;
}

int ly__encoding_find(struct ly__encoding *ret, const char *name)
{
    struct ly__encoding e = {.unit = 1};
    int r = copy_name(e.name, sizeof e.name, name ? name : "utf-8");
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(e.name, aliases[i].name) == 0)
            memcpy(e.name, aliases[i].iconv, strlen(aliases[i].iconv) + 1);
    if (starts_with(e.name, "utf-16") || starts_with(e.name, "ucs-2"))
        e.unit = 2;
    if (starts_with(e.name, "utf-32") || starts_with(e.name, "ucs-4"))
        e.unit = 4;
    if (strcasecmp(e.name, "utf-16") == 0 || strcasecmp(e.name, "utf-32") == 0)
        e.bom = e.unit;
    *ret = e;
    return 0;
}

/* Python's names have "_" where iconv's may have either: try both. */
static int open_iconv(iconv_t *ret, const char *to, const char *from)
{
    *ret = iconv_open(to, from);
    if (*ret != NONE)
        return 0;
    return errno == EINVAL ? LY_EENCODING : -errno;
}

static void dashes_to_underscores(char *name)
{
    for (; *name; name++)
        if (*name == '-')
            *name = '_';
}

static int open_either(iconv_t *ret, const char *name, const char *suffix, bool decode)
{
    char full[48];
    size_t n = strlen(name);
    memcpy(full, name, n);
    memcpy(full + n, suffix, strlen(suffix) + 1);
    int r = decode ? open_iconv(ret, "UTF-8", full) : open_iconv(ret, full, "UTF-8");
    if (r != LY_EENCODING)
        return r;
    dashes_to_underscores(full);
    return decode ? open_iconv(ret, "UTF-8", full) : open_iconv(ret, full, "UTF-8");
}

/* ---- decoding ---- */

int ly__decoder_open(struct ly__decoder *d, const struct ly__encoding *e, size_t size,
                     enum ly_text_errors errors, bool translate)
{
    *d = (struct ly__decoder){
        .cd = NONE, .errors = errors, .translate = translate, .unit = e->unit, .size = size};
    return *e->name ? open_either(&d->cd, e->name, "", true) : 0;
}

void ly__decoder_close(struct ly__decoder *d)
{
    if (d->cd != NONE)
        iconv_close(d->cd);
    free(d->raw);
}

/* The next n bytes are malformed. Returns what was put at out in their place, or LY_EDECODE. */
static ssize_t give_up(struct ly__decoder *d, size_t n, char *out)
{
    if (d->errors == LY_TEXT_STRICT)
        return LY_EDECODE;
    d->start += n;
    if (d->errors == LY_TEXT_IGNORE)
        return 0;
    memcpy(out, REPLACEMENT, 3);
    return 3;
}

static ssize_t decode_utf8(struct ly__decoder *d, char *out, size_t room, bool final)
{
    size_t made = 0;
    while (d->start < d->end && room - made >= LY__UTF8_MAX) {
        const char *at = d->raw + d->start;
        size_t held = d->end - d->start;
        size_t n = ly__utf8_span(at, held < room - made ? held : room - made);
        if (n > 0) {
            memcpy(out + made, at, n);
            d->start += n;
            made += n;
            continue;
        }
        bool cut = ly__utf8_is_cut(at, held);
        if (cut && !final)
            break;
        ssize_t r = give_up(d, cut ? held : ly__utf8_malformed(at, held), out + made);
        if (r < 0)
            return made > 0 ? (ssize_t)made : r;
        made += (size_t)r;
    }
    return (ssize_t)made;
}

/* What iconv has made, as far as it is UTF-8 indeed. */
static ssize_t vet(struct ly__decoder *d, const char *out, size_t made)
{
    size_t n = ly__utf8_span(out, made);
    d->broken = n < made;
    return d->broken && n == 0 ? LY_EDECODE : (ssize_t)n;
}

/* iconv stopped at the raw bytes. Returns 1 to go on, 0 to stop, or LY_EDECODE; adds to *made. */
static int pass_obstacle(struct ly__decoder *d, int error, char *out, size_t room, size_t *made, bool final)
{
    size_t held = d->end - d->start;
    if (error == E2BIG || (error == EINVAL && !final) || room - *made < ROOM)
        return 0;
    size_t n = error == EINVAL || held < (size_t)d->unit ? held : (size_t)d->unit;
    ssize_t r = give_up(d, n, out + *made);
    if (r < 0)
        return (int)r;
    *made += (size_t)r;
    return 1;
}

static ssize_t decode_iconv(struct ly__decoder *d, char *out, size_t room, bool final)
{
    size_t made = 0;
    int r = 1;
    if (d->broken)
        return LY_EDECODE;
    while (r > 0 && d->start < d->end && room - made >= ROOM) {
        char *in = d->raw + d->start, *to = out + made;
        size_t in_left = d->end - d->start, to_left = room - made;
        size_t converted = iconv(d->cd, &in, &in_left, &to, &to_left);
        int error = converted == (size_t)-1 ? errno : 0;
        d->start = d->end - in_left;
        made = room - to_left;
        r = error ? pass_obstacle(d, error, out, room, &made, final) : 0;
    }
    if (final && d->start == d->end && room - made >= ROOM) {
        /* Some converters hold a character back, in case that an accent follows. */
        char *to = out + made;
        size_t to_left = room - made;
        iconv(d->cd, NULL, NULL, &to, &to_left);
        made = room - to_left;
    }
    return made > 0 || r >= 0 ? vet(d, out, made) : r;
}

/* Turn "\r\n" and "\r" into "\n", in place. Returns the bytes left. */
static size_t translate(struct ly__decoder *d, char *s, size_t n)
{
    size_t in = n > 0 && d->after_cr && s[0] == '\n', out = 0;
    d->after_cr = n > 0 ? false : d->after_cr;
    while (in < n) {
        const char *cr = memchr(s + in, '\r', n - in);
        size_t plain = cr ? (size_t)(cr - s) - in : n - in;
        if (out != in)
            memmove(s + out, s + in, plain);
        in += plain;
        out += plain;
        if (!cr)
            break;
        s[out++] = '\n';
        in++;
        if (in == n)
            d->after_cr = true;
        else if (s[in] == '\n')
            in++;
    }
    return out;
}

ssize_t ly__decoder_step(struct ly__decoder *d, char *out, size_t room, bool final)
{
    ssize_t made;
    size_t before;
    do {
        before = d->start;
        made = d->cd == NONE ? decode_utf8(d, out, room, final) : decode_iconv(d, out, room, final);
        if (made > 0 && d->translate)
            made = (ssize_t)translate(d, out, (size_t)made);
        /* What came may have been left out altogether, with more behind it. */
    } while (made == 0 && d->start > before && d->start < d->end);
    return made;
}

/* ---- encoding ---- */

int ly__encoder_open(struct ly__encoder *e, const struct ly__encoding *encoding, enum ly_text_errors errors,
                     const char *newline)
{
    *e = (struct ly__encoder){.cd = NONE, .errors = errors, .bom = encoding->bom};
    if (newline && newline[0] == '\r')
        memcpy(e->newline, newline, strlen(newline) + 1);
    return *encoding->name ? open_either(&e->cd, encoding->name, encoding->bom ? HOST : "", false) : 0;
}

void ly__encoder_close(struct ly__encoder *e)
{
    if (e->cd != NONE)
        iconv_close(e->cd);
}

bool ly__encoder_copies(const struct ly__encoder *e)
{
    return e->cd == NONE && !*e->newline;
}

/* One conversion from n bytes that are without newlines to translate. Returns 0 or an error of iconv(3). */
static int convert(struct ly__encoder *e, const char *text, size_t n, size_t *used, char *out, size_t room,
                   size_t *made)
{
    char *in = (char *)(uintptr_t)text;
    if (e->cd == NONE) {
        size_t most = n < room - *made ? n : room - *made;
        size_t whole = ly__utf8_span(text, most);
        memcpy(out + *made, text, whole);
        *used += whole;
        *made += whole;
        return whole == n ? 0 : whole + LY__UTF8_MAX > most && most < n ? E2BIG : EILSEQ;
    }
    /* Of text that is no UTF-8, iconv would take some: numbers beyond Unicode. */
    char *to = out + *made;
    size_t most = ly__utf8_span(text, n < room ? n : room);
    size_t in_left = most, to_left = room - *made;
    if (most == 0)
        return EILSEQ;
    size_t converted = iconv(e->cd, &in, &in_left, &to, &to_left);
    int error = converted == (size_t)-1 ? errno : 0;
    *used += most - in_left;
    *made = room - to_left;
    return error;
}

/* Encode a few characters of our own; there is room. */
static void put(struct ly__encoder *e, const char *text, char *out, size_t room, size_t *made)
{
    size_t used = 0;
    convert(e, text, strlen(text), &used, out, room, made);
}

/* The bytes at text cannot be encoded: what stands for them, unless that is an error. */
static int give_up_encoding(struct ly__encoder *e, const char *text, size_t n, size_t *used, char *out,
                            size_t room, size_t *made)
{
    uint32_t code;
    if (e->errors == LY_TEXT_STRICT)
        return LY_EENCODE;
    size_t length = ly__utf8_decode(text, n, &code);
    *used += length ? length : ly__utf8_malformed(text, n);
    if (e->errors == LY_TEXT_REPLACE)
        put(e, "?", out, room, made);
    return 0;
}

/* Up to the next newline that is to become something else. */
static size_t plain_length(const struct ly__encoder *e, const char *text, size_t n)
{
    const char *lf = *e->newline ? memchr(text, '\n', n) : NULL;
    return lf ? (size_t)(lf - text) : n;
}

static void put_mark(struct ly__encoder *e, char *out, size_t *made)
{
    if (e->bom)
        memcpy(out, marks[(int)e->bom], (size_t)e->bom);
    *made += (size_t)e->bom;
    e->bom = 0;
}

int ly__encoder_step(struct ly__encoder *e, const char *text, size_t n, size_t *used, char *out, size_t room,
                     size_t *made)
{
    *used = *made = 0;
    put_mark(e, out, made);
    e->used = true;
    while (*used < n && room - *made >= ROOM) {
        const char *at = text + *used;
        size_t plain = plain_length(e, at, n - *used < room ? n - *used : room);
        if (plain == 0) {
            put(e, e->newline, out, room, made);
            ++*used;
            continue;
        }
        size_t before = *used;
        int error = convert(e, at, plain, used, out, room, made);
        if (error == E2BIG || (error && room - *made < ROOM))
            break;
        size_t done = *used - before;
        int r = error ? give_up_encoding(e, at + done, plain - done, used, out, room, made) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

size_t ly__encoder_end(struct ly__encoder *e, char *out, size_t room)
{
    if (e->cd == NONE || !e->used)
        return 0;
    char *to = out;
    size_t to_left = room;
    iconv(e->cd, NULL, NULL, &to, &to_left);
    return room - to_left;
}
