/* SPDX-License-Identifier: MIT */
#include "daemon/nearest.h"
#include <stdbool.h>

#define LENGTH_MAX 32
#define FARTHEST 2 /* letters; beyond, it is no slip of the finger */
#define SHORT 4    /* letters: of a shorter word the first one has to be right, or little is left of it */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Letters to insert, drop or exchange to make b of a's n <= LENGTH_MAX ones (Levenshtein's distance). */
static size_t distance(const char *a, size_t n, const char *b)
{
    size_t row[LENGTH_MAX + 1];
    for (size_t i = 0; i <= n; i++)
        row[i] = i;
    for (size_t j = 1; *b; b++, j++) {
        size_t diagonal = row[0];
        row[0] = j;
        for (size_t i = 1; i <= n; i++) {
            size_t above = row[i];
            row[i] = min3(above + 1, row[i - 1] + 1, diagonal + (a[i - 1] != *b));
            diagonal = above;
        }
    }
    return row[n];
}

void ly__nearest_init(struct ly__nearest *n, const char *word, size_t length)
{
    *n = (struct ly__nearest){.word = word, .length = length, .distance = FARTHEST + 1};
}

void ly__nearest_try(struct ly__nearest *n, const char *name)
{
    size_t d = n->length <= LENGTH_MAX ? distance(n->word, n->length, name) : n->distance;
    bool is_other = n->length < SHORT && d > 1 && n->word[0] != name[0];
    if (d < n->distance && !is_other) {
        n->distance = d;
        n->name = name;
    }
}
