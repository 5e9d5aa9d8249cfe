/* SPDX-License-Identifier: MIT */
/* Names and texts of errors: the library's own come from LY_ERRORS, the system's from the C library's
 * constant tables. */
#include <ctype.h>
#include <lanyard/error.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define SYSTEM_MAX 4095 /* the largest number the kernel uses for an error */
#define TEXT_COUNT 256  /* texts below this number are kept in lower case; Linux's end at 133 */
#define TEXT_SIZE 64    /* the longest is 49 bytes; a longer one is given as it is */

struct error_row {
    const char *name, *text;
    int number;
};

static const struct error_row own_errors[] = {
#define OWN_ROW(name, number, text) {"LY_" #name, text, number},
    LY_ERRORS(OWN_ROW)
#undef OWN_ROW
};
#define OWN_COUNT (sizeof own_errors / sizeof own_errors[0])

static char lower_texts[TEXT_COUNT][TEXT_SIZE];
static pthread_once_t lower_texts_once = PTHREAD_ONCE_INIT;

static bool is_system(int error)
{
    return error < 0 && error >= -SYSTEM_MAX;
}

static const struct error_row *find_own(int error)
{
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (own_errors[i].number == error)
            return &own_errors[i];
    }
    return NULL;
}

/* The C library begins its texts with a capital, ours continue a sentence. Acronyms ("RFS specific error")
 * stay. */
static void fill_lower_texts(void)
{
    for (int i = 1; i < TEXT_COUNT; i++) {
        const char *text = strerrordesc_np(i);
        size_t length = text ? strlen(text) : 0;
        if (length < 2 || length >= TEXT_SIZE)
            continue;
        memcpy(lower_texts[i], text, length + 1);
        if (islower((unsigned char)text[1]) || text[1] == ' ')
            lower_texts[i][0] = (char)tolower((unsigned char)text[0]);
    }
}

static const char *system_text(int number)
{
    pthread_once(&lower_texts_once, fill_lower_texts);
    if (number < TEXT_COUNT && lower_texts[number][0])
        return lower_texts[number];
    return strerrordesc_np(number);
}

const char *ly_error_name(int error)
{
    const char *name = NULL;
    if (error >= 0)
        return "OK";
    if (is_system(error)) {
        name = strerrorname_np(-error);
    } else {
        const struct error_row *row = find_own(error);
        name = row ? row->name : NULL;
    }
    return name ? name : "UNKNOWN";
}

const char *ly_error_text(int error)
{
    const char *text = NULL;
    if (error >= 0)
        return "success";
    if (is_system(error)) {
        text = system_text(-error);
    } else {
        const struct error_row *row = find_own(error);
        text = row ? row->text : NULL;
    }
    return text ? text : "unknown error";
}

int ly_error_from_name(const char *name)
{
    if (!name)
        return 0;
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (!strcmp(own_errors[i].name, name))
            return own_errors[i].number;
    }
    for (int i = 1; i <= SYSTEM_MAX; i++) {
        const char *known = strerrorname_np(i);
        if (known && !strcmp(known, name))
            return -i;
    }
    return 0;
}
