/* SPDX-License-Identifier: MIT */
/* Paths: what is accepted has only allowed components, comes out the same a second time, and names a
 * temporary file that a component can be. */
#include "service/files/beneath.h"
#include "service/files/partial.h"

#include <lanyard/error.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_component(const char *name, size_t n)
{
    char one[LY__NAME_MAX + 1], temporary[LY__NAME_MAX + 1];

    require(ly__name_allowed(name, n));
    memcpy(one, name, n);
    one[n] = '\0';
    require(strcmp(one, "..") != 0 && strcmp(one, ".") != 0);
    ly__partial_name(temporary, one);
    require(strlen(temporary) <= LY__NAME_MAX && ly__partial_is(temporary));
    require(ly__name_allowed(temporary, strlen(temporary)));
}

static void check_clean(const char *clean, size_t length)
{
    char again[LY__PATH_MAX + 1];

    require(strlen(clean) == length && length <= LY__PATH_MAX);
    require(ly__path_clean(again, clean) == (ssize_t)length && strcmp(again, clean) == 0);
    while (*clean) {
        size_t n = strcspn(clean, "/");
        check_component(clean, n);
        clean += n;
        require(*clean == '\0' || clean[1] != '\0');
        clean += *clean == '/';
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char clean[LY__PATH_MAX + 1];
    char *path = malloc(size + 1);
    if (!path)
        return 0;
    if (size > 0)
        memcpy(path, data, size);
    path[size] = '\0';
    ssize_t n = ly__path_clean(clean, path);
    if (n >= 0)
        check_clean(clean, (size_t)n);
    else
        require(n == LY_EOUTSIDE || n == LY_ENAME);
    free(path);
    return 0;
}
