/* SPDX-License-Identifier: MIT */
#include "auth/login.h"
#include "auth/pairing.h"
#include <errno.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <stdlib.h>
#include <string.h>

struct ly__login {
    struct ly__store *store;
    struct ly__failures *failures;
    struct ly__scram_server *scram;
    int64_t begun, wait_until; /* milliseconds of the monotonic clock */
    int64_t user_id;           /* whose secret is asked for; 0: nobody's */
    struct ly__user user;      /* once logged in */
    uint8_t key[LY__DEVICE_KEY];
    bool has_key, is_pairing;
    char label[LY__DEVICE_LABEL];
};

static int64_t now_ms(void)
{
    return ly_now() / 1000000;
}

/* Without a client certificate there is no key to enrol: such an attempt does not use up a code. */
static int find_secret(void *arg, const char *name, struct ly__scram_secret *ret_secret)
{
    struct ly__login *l = arg;
    char label[LY__DEVICE_LABEL] = "";
    size_t prefix = strlen(LY__PAIRING_PREFIX);
    l->is_pairing = strncmp(name, LY__PAIRING_PREFIX, prefix) == 0;
    if (!l->is_pairing || !l->has_key)
        return ly__user_secret(l->store, name, ret_secret, &l->user_id);
    int r = ly__pairing_take(l->store, name + prefix, ret_secret, &l->user_id, label);
    if (r == 0 && *label)
        memcpy(l->label, label, sizeof l->label);
    return r;
}

int ly__login_new(struct ly__login **ret_login, const struct ly__login_options *options,
                  const char *mechanism)
{
    if (strcmp(mechanism, LY__SCRAM_MECHANISM) != 0)
        return LY_EDENIED;
    struct ly__login *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->store = options->store;
    l->failures = options->failures;
    l->begun = now_ms();
    l->has_key = options->key != NULL;
    if (options->key)
        memcpy(l->key, options->key, sizeof l->key);
    if (options->label)
        memcpy(l->label, options->label, strnlen(options->label, sizeof l->label - 1));
    int r = ly__scram_server_new(&l->scram, options->binding, find_secret, l);
    if (r < 0) {
        free(l);
        return r;
    }
    *ret_login = l;
    return 0;
}

void ly__login_free(struct ly__login *l)
{
    if (!l)
        return;
    ly__scram_server_free(l->scram);
    free(l);
}

const struct ly__user *ly__login_user(const struct ly__login *l)
{
    return &l->user;
}

const char *ly__login_name(const struct ly__login *l)
{
    return ly__scram_server_name(l->scram);
}

bool ly__login_is_pairing(const struct ly__login *l)
{
    return l->is_pairing;
}

int64_t ly__login_wait(const struct ly__login *l)
{
    int64_t left = l->wait_until - now_ms();
    return left > 0 ? left : 0;
}

/* The proof was right: the user is who it was at the first step, and still may. */
static int finish(struct ly__login *l)
{
    int r = l->user_id ? ly__user_find_id(l->store, l->user_id, &l->user) : -ENOENT;
    if (r == 0 && l->user.disabled)
        r = -ENOENT;
    if (r == 0 && l->is_pairing)
        r = ly__device_enrol(l->store, l->user_id, l->key, l->label);
    else if (r == 0)
        (void)ly__user_logged_in(l->store, l->user_id); /* a full disk keeps nobody out who is to make room */
    if (r < 0)
        return r == -ENOENT ? LY_EDENIED : r;
    ly__failures_clear(l->failures, ly__login_name(l));
    return 1;
}

int ly__login_step(struct ly__login *l, const void *message, size_t n, struct ly_buffer *out)
{
    struct ly_buffer answer;
    ly_buffer_init(&answer, 2 * LY__SCRAM_MESSAGE);
    int r = ly__scram_server_step(l->scram, message, n, &answer);
    if (r == 1)
        r = finish(l);
    if (r >= 0 && answer.length > 0) {
        int e = ly_buffer_append(out, ly_buffer_bytes(&answer), answer.length);
        r = e < 0 ? e : r;
    }
    if (r == LY_EDENIED)
        l->wait_until = l->begun + ly__failures_note(l->failures, ly__login_name(l), now_ms());
    ly_buffer_done(&answer);
    return r;
}
