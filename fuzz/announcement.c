/* SPDX-License-Identifier: MIT */
/* An announcement of a next key, as a peer sends it: whatever it says, it is taken apart and refused or
 * checked. */
#include "auth/announcement.h"
#include <lanyard/error.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ly__announcement a;
    struct ly_json whole;
    uint8_t id[LY__ID], next[LY__ID];
    if (ly_json_check(&whole, (const char *)data, size) < 0 || ly__announcement_get(&a, whole) < 0)
        return 0;
    if (a.key_length > LY__SPKI_MAX || a.next_length > LY__SPKI_MAX || a.signature_length > LY__SIGNATURE_MAX)
        abort();
    /* as if TLS had shown this key: the rest of the check is passed through */
    if (ly__id_of(id, a.key, a.key_length) < 0)
        abort();
    int r = ly__announcement_check(&a, id, next);
    if (r != 0 && r != LY_EPEER)
        abort();
    id[0] ^= 1;
    if (ly__announcement_check(&a, id, next) != LY_EPEER)
        abort();
    return 0;
}
