/* SPDX-License-Identifier: MIT */
/* Two messages of a stranger, parted by the first line end, to SCRAM's server: nobody is logged in by them,
 * and what is answered is what the protocol has. */
#include "auth/scram.h"
#include "base/utf8.h"
#include <lanyard/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Everybody's secret: keys that no password has. */
static int find(void *arg, const char *name, struct ly__scram_secret *ret_secret)
{
    bool *asked = arg;
    require(!*asked);
    require(*name && strlen(name) <= 3 * LY__SCRAM_MESSAGE && ly__utf8_valid(name, strlen(name)));
    *asked = true;
    memset(ret_secret, 'x', sizeof *ret_secret);
    ret_secret->iterations = 4096;
    return 0;
}

/* One step on a copy of exactly that size, so that a read behind it is seen. */
static int step(struct ly__scram_server *s, const uint8_t *message, size_t n, struct ly_buffer *out)
{
    char *exact = malloc(n ? n : 1);
    require(exact != NULL);
    memcpy(exact, message, n);
    ly_buffer_clear(out);
    int r = ly__scram_server_step(s, exact, n, out);
    require((r == 0) == (out->length > 0));
    free(exact);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t binding[LY__SCRAM_BINDING] = "the channel";
    struct ly__scram_server *s;
    struct ly_buffer out;
    bool asked = false;
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t first = end ? (size_t)(end - data) : size;
    if (size > 1 << 14)
        return 0;
    ly_buffer_init(&out, 1 << 16);
    require(ly__scram_server_new(&s, binding, find, &asked) == 0);
    int r = step(s, data, first, &out);
    require(r == 0 || r == LY_EDENIED || r == LY_EDECODE || r == -22);
    require(r < 0 || (asked && memcmp(ly_buffer_bytes(&out), "r=", 2) == 0));
    if (r == 0 && end) {
        r = step(s, end + 1, size - first - 1, &out);
        require(r == LY_EDENIED);
    }
    if (r < 0)
        require(step(s, data, first, &out) < 0);
    ly__scram_server_free(s);
    ly_buffer_done(&out);
    return 0;
}
