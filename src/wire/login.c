/* SPDX-License-Identifier: MIT */
/* The login file of tutorial 004: a user's name and the MD5 of name and password a line. */
#include <errno.h>
#include <fcntl.h>
#include <lanyard/challenge.h>
#include <lanyard/fiber.h>
#include <string.h>
#include <unistd.h>

#define DIGEST_LENGTH ((size_t)16)

struct span {
    const char *text;
    size_t length;
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span strip(struct span s)
{
    while (s.length > 0 && is_blank(s.text[s.length - 1]))
        s.length--;
    while (s.length > 0 && is_blank(*s.text)) {
        s.text++;
        s.length--;
    }
    return s;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read 32 digits; false, and out of no use, if they are none. */
static bool read_digest(struct span s, unsigned char out[DIGEST_LENGTH])
{
    if (s.length != 2 * DIGEST_LENGTH)
        return false;
    for (size_t i = 0; i < DIGEST_LENGTH; i++) {
        int high = hex_digit(s.text[2 * i]), low = hex_digit(s.text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool ly_login_find(const char *text, size_t n, const char *name, unsigned char digest[DIGEST_LENGTH])
{
    unsigned char read[DIGEST_LENGTH];
    size_t length = strlen(name);
    for (const char *line = text, *end = text + n; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        const char *stop = next ? next : end;
        const char *bar = memchr(line, '|', (size_t)(stop - line));
        if (bar) {
            struct span user = strip((struct span){line, (size_t)(bar - line)});
            struct span digits = strip((struct span){bar + 1, (size_t)(stop - bar - 1)});
            if (user.length > 0 && user.length == length && memcmp(user.text, name, length) == 0 &&
                read_digest(digits, read)) {
                memcpy(digest, read, DIGEST_LENGTH);
                return true;
            }
        }
        line = stop + 1;
    }
    return false;
}

/* The digest of a name and a password. Returns 0 or an error. */
static int digest_of(const char *name, const char *password, unsigned char out[LY_DIGEST_MAX])
{
    struct ly_digest *d;
    ssize_t r = ly_digest_new(&d, LY_MD5, NULL, 0);
    if (r < 0)
        return (int)r;
    r = ly_digest_update(d, name, strlen(name));
    if (r == 0)
        r = ly_digest_update(d, password, strlen(password));
    if (r == 0)
        r = ly_digest_end(d, out);
    ly_digest_free(d);
    return r < 0 ? (int)r : 0;
}

int ly_login_line(struct ly_buffer *b, const char *name, const char *password)
{
    unsigned char digest[LY_DIGEST_MAX];
    char digits[2 * LY_DIGEST_MAX + 1];
    size_t n = strlen(name);
    if (n == 0 || n > LY_LOGIN_NAME_MAX || strpbrk(name, "|\n") || is_blank(*name) || is_blank(name[n - 1]))
        return -EINVAL;
    int r = digest_of(name, password, digest);
    if (r < 0)
        return r;
    ly_hex(digits, digest, DIGEST_LENGTH);
    return ly_buffer_printf(b, "%s | %s\n", name, digits);
}

/* ---- the file ---- */

struct lookup {
    const char *path, *name;
    unsigned char digest[DIGEST_LENGTH];
};

static int read_all(int fd, struct ly_buffer *b)
{
    for (;;) {
        char *place;
        size_t left = b->max - b->length, piece = left < 16384 ? left : 16384;
        int r = piece > 0 ? ly_buffer_reserve(b, piece, &place) : LY_ETOOBIG;
        if (r < 0)
            return r;
        ssize_t n = read(fd, place, piece);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return 0;
        if (n > 0)
            ly_buffer_commit(b, (size_t)n);
    }
}

/* On the offload pool: whether the user is in the file. */
static int look_up(void *arg)
{
    struct lookup *l = arg;
    struct ly_buffer b;
    int fd = open(l->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO does not hold it */
    if (fd < 0)
        return -errno;
    ly_buffer_init(&b,
                   LY_LOGIN_FILE_MAX + 1); /* one more, to tell a file that is too long from one that fits */
    int r = read_all(fd, &b);
    close(fd);
    if (r == 0)
        r = ly_login_find(b.length > 0 ? ly_buffer_bytes(&b) : "", b.length, l->name, l->digest);
    ly_buffer_done(&b);
    return r;
}

int ly_login_check(const char *path, const char *name, const char *password)
{
    struct lookup l = {.path = path, .name = name};
    unsigned char digest[LY_DIGEST_MAX];
    if (strlen(name) > LY_LOGIN_NAME_MAX)
        return LY_LOGIN_UNKNOWN;
    int known = ly_offload(look_up, &l);
    int r = known < 0 ? known : digest_of(name, password, digest);
    if (r < 0)
        return r;
    bool right = ly_equal_secret(digest, l.digest, DIGEST_LENGTH);
    explicit_bzero(digest, sizeof digest);
    if (!known)
        return LY_LOGIN_UNKNOWN;
    return right ? LY_LOGIN_RIGHT : LY_LOGIN_WRONG;
}
