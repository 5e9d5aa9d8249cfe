/* SPDX-License-Identifier: MIT */
/* Challenges: random bytes one way, their digest under the shared key the other. */
#include <errno.h>
#include <lanyard/challenge.h>
#include <string.h>

/* What there is to know of each kind. */
static const struct kind {
    enum ly_digest_kind digest;
    bool keyed; /* an HMAC; else the key is digested before the challenge */
    bool hex;
    size_t answer_length, default_length;
} kinds[] = {
    [LY_CHALLENGE_HMAC_SHA256] = {LY_SHA256, true, false, 32, 32},
    [LY_CHALLENGE_HMAC_MD5] = {LY_MD5, true, false, 16, 10},
    [LY_CHALLENGE_MD5_HEX] = {LY_MD5, false, true, 32, 10},
};

/* NULL: there is no such kind. */
static const struct kind *kind_of(const struct ly_challenge *c)
{
    return (size_t)c->kind < sizeof kinds / sizeof *kinds ? &kinds[c->kind] : NULL;
}

ssize_t ly_challenge_digest(const struct ly_challenge *c, const void *challenge, size_t n,
                            unsigned char answer[LY_CHALLENGE_ANSWER_MAX])
{
    const struct kind *kind = kind_of(c);
    unsigned char raw[LY_DIGEST_MAX];
    char text[2 * LY_DIGEST_MAX + 1];
    struct ly_digest *d;
    if (!kind)
        return -EINVAL;
    ssize_t r = ly_digest_new(&d, kind->digest, kind->keyed ? (c->key ? c->key : "") : NULL, c->key_length);
    if (r < 0)
        return r;
    if (!kind->keyed)
        r = ly_digest_update(d, c->key, c->key_length);
    if (r == 0)
        r = ly_digest_update(d, challenge, n);
    if (r == 0)
        r = ly_digest_end(d, raw);
    ly_digest_free(d);
    if (r < 0)
        return r;
    if (kind->hex)
        ly_hex(text, raw, (size_t)r);
    memcpy(answer, kind->hex ? (const void *)text : raw, kind->answer_length);
    explicit_bzero(raw, sizeof raw);
    explicit_bzero(text, sizeof text);
    return (ssize_t)kind->answer_length;
}

/* How many bytes the challenge has, or an error. */
static ssize_t length_of(const struct ly_challenge *c)
{
    const struct kind *kind = kind_of(c);
    if (!kind || c->length > LY_CHALLENGE_MAX)
        return -EINVAL;
    return (ssize_t)(c->length ? c->length : kind->default_length);
}

int ly_challenge_ask(struct ly_sock *s, const struct ly_challenge *c)
{
    unsigned char challenge[LY_CHALLENGE_MAX];
    unsigned char right[LY_CHALLENGE_ANSWER_MAX], answer[LY_CHALLENGE_ANSWER_MAX];
    ssize_t n = length_of(c);
    ssize_t r = n < 0 ? n : ly_random(challenge, (size_t)n);
    if (r == 0)
        r = ly_challenge_digest(c, challenge, (size_t)n, right);
    if (r < 0)
        return (int)r;
    size_t length = (size_t)r;
    r = ly_sendall(s, challenge, (size_t)n);
    if (r == 0)
        r = ly_recvall(s, answer, length);
    if (r >= 0)
        r = ly_equal_secret(answer, right, length);
    explicit_bzero(right, sizeof right);
    return (int)r;
}

int ly_challenge_answer(struct ly_sock *s, const struct ly_challenge *c)
{
    unsigned char challenge[LY_CHALLENGE_MAX], answer[LY_CHALLENGE_ANSWER_MAX];
    ssize_t n = length_of(c);
    ssize_t r = n < 0 ? n : ly_recvall(s, challenge, (size_t)n);
    if (r >= 0)
        r = ly_challenge_digest(c, challenge, (size_t)n, answer);
    if (r >= 0)
        r = ly_sendall(s, answer, (size_t)r);
    explicit_bzero(answer, sizeof answer);
    return (int)r;
}
