/* SPDX-License-Identifier: MIT */
/*
 * Equal names in an object of many. The table lives on the stack, so its size bounds the names: a header of
 * 64 KiB could hold 13,000, and no honest one has more than a few. The hash is not keyed; names chosen to
 * collide cost at most LY_JSON_NAMES^2 / 2 comparisons, some hundred microseconds in all.
 */
#include "wire/json.h"
#include <string.h>

#define SLOTS (2 * LY_JSON_NAMES) /* half full at most; a power of two */

static uint32_t hash_name(struct ly_json name)
{
    const char *p = name.text + 1, *end = name.text + name.length - 1;
    uint32_t hash = 2166136261u; /* FNV-1a */
    while (p < end) {
        char unit[4];
        size_t n = ly__json_unit(&p, unit);
        for (size_t i = 0; i < n; i++)
            hash = (hash ^ (unsigned char)unit[i]) * 16777619u;
    }
    return hash;
}

__attribute__((noinline)) bool ly__json_names_repeat(struct ly_json object)
{
    struct ly_json names[LY_JSON_NAMES], name;
    uint16_t slots[SLOTS]; /* 0: free; else the index of a name, plus 1 */
    uint32_t hashes[LY_JSON_NAMES];
    unsigned count = 0;
    size_t it = 0;

    memset(slots, 0, sizeof slots);
    while (ly_json_next(object, &it, &name, NULL)) {
        if (count == LY_JSON_NAMES)
            return true;
        uint32_t hash = hash_name(name);
        unsigned i = hash % SLOTS;
        for (; slots[i] != 0; i = (i + 1) % SLOTS)
            if (hashes[slots[i] - 1] == hash && ly__json_same(names[slots[i] - 1], name))
                return true;
        names[count] = name;
        hashes[count] = hash;
        slots[i] = (uint16_t)++count;
    }
    return false;
}
