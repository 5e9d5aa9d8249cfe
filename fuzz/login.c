/* SPDX-License-Identifier: MIT */
/* A name, a line end, a login file: who is found has a line that says so, and is still found when the file is
 * longer. */
#include <lanyard/challenge.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char digest[16], again[16];
    char digits[33];
    const char *text = (const char *)data, *end = size > 0 ? memchr(text, '\n', size) : NULL;
    if (!end)
        return 0;
    size_t length = (size_t)(end - text);
    char *name = malloc(length + 1);
    if (!name)
        abort();
    memcpy(name, text, length);
    name[length] = '\0';
    size_t n = size - (size_t)(end + 1 - text);
    char *file = malloc(n + 40); /* of this size, so that a read behind n is seen */
    char *exact = malloc(n ? n : 1);
    if (!file || !exact)
        abort();
    memcpy(exact, end + 1, n);
    if (ly_login_find(exact, n, name, digest)) {
        ly_hex(digits, digest, 16);
        if (strlen(name) + 33 > n)
            abort(); /* name, bar and 32 digits do not fit */
        memcpy(file, exact, n);
        memcpy(file + n, "\nx | 0\n|\n", 9);
        if (!ly_login_find(file, n + 9, name, again) || memcmp(digest, again, 16) != 0)
            abort();
    }
    free(exact);
    free(file);
    free(name);
    return 0;
}
