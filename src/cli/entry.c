/* SPDX-License-Identifier: MIT */
#include "cli/entry.h"

#include "base/escape.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 4097 /* of a name or a link's target, with its zero byte */

static void print_text(const char *text)
{
    char shown[4 * TEXT_MAX];
    if (!isatty(STDOUT_FILENO)) {
        (void)fputs(text, stdout);
        return;
    }
    (void)ly__escape(shown, sizeof shown, text, strlen(text));
    (void)fputs(shown, stdout);
}

static int64_t number(struct ly_json entry, const char *name)
{
    int64_t n = 0;
    (void)ly_json_int(ly_json_get(entry, name), &n);
    return n;
}

static void print_mode(char type, int64_t mode)
{
    char text[11] = "-rwxrwxrwx";
    text[0] = type == 'f' ? '-' : type == 'd' || type == 'l' ? type : '?';
    for (int i = 0; i < 9; i++)
        if (!(mode >> (8 - i) & 1))
            text[1 + i] = '-';
    (void)fputs(text, stdout);
}

static void print_details(struct ly_json entry, char type)
{
    char when[64] = "?";
    int64_t ns = number(entry, "mtime_ns");
    time_t seconds = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
    struct tm tm;

    if (localtime_r(&seconds, &tm))
        (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    print_mode(type, type == 'l' ? 0777 : number(entry, "mode"));
    printf(" %12" PRId64 " %s ", number(entry, "size"), when);
}

void ly__entry_print(struct ly_json entry, bool details)
{
    char name[TEXT_MAX] = "", type[8] = "o", target[TEXT_MAX] = "";

    (void)ly_json_string(ly_json_get(entry, "name"), name, sizeof name);
    if (ly_json_string(ly_json_get(entry, "type"), type, sizeof type) <= 0)
        type[0] = 'o';
    if (details)
        print_details(entry, type[0]);
    print_text(name);
    if (details && ly_json_string(ly_json_get(entry, "target"), target, sizeof target) > 0) {
        (void)fputs(" -> ", stdout);
        print_text(target);
    }
    (void)putchar('\n');
}

/* A control character can only be white space between items, and what is not ASCII only part of a string. */
void ly__entry_print_json(struct ly_json entry)
{
    const char *at = entry.text, *end = at + entry.length;
    while (at < end) {
        uint32_t code = 0xfffd;
        size_t n = ly__utf8_decode(at, (size_t)(end - at), &code);
        at += n > 0 ? n : 1;
        if (code > 0xffff)
            printf("\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((code - 0x10000) >> 10),
                   0xdc00 + (code & 0x3ff));
        else if (code > 0x7e)
            printf("\\u%04" PRIx32, code);
        else
            (void)putchar(code < 0x20 ? ' ' : (int)code);
    }
    (void)putchar('\n');
}
