/* SPDX-License-Identifier: MIT */
/* A machine as users name it: what is taken has parts that are shown and stored safely, and its name names it
 * again. */
#include "auth/peer.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A word of ASCII that a line of words can hold, and a command line, in quotes. */
static bool is_safe(const char *name)
{
    for (; *name; name++) {
        if (*name <= ' ' || *name > '~' || strchr("'\"\\$`;&|<>(){}*?!~#@", *name))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ly__peer p, again;
    char id[LY__ID_TEXT];
    if (ly__id_parse(id, (const char *)data, size) == 0 &&
        (strlen(id) != size || memcmp(id, data, size) != 0))
        abort();
    if (ly__peer_parse(&p, (const char *)data, size) < 0)
        return 0;
    if (p.port == 0 || !*p.host || !is_safe(p.name) || *p.name == '-' ||
        (*p.id && ly__id_parse(id, p.id, strlen(p.id)) < 0))
        abort();
    if (ly__peer_parse(&again, p.name, strlen(p.name)) < 0 || strcmp(again.name, p.name) != 0 ||
        *again.user || *again.id)
        abort();
    return 0;
}
