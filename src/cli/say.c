/* SPDX-License-Identifier: MIT */
#include "base/escape.h"
#include "cli/command.h"
#include <lanyard/error.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE 4096 /* a longer message is cut */

void ly__cli_say(const char *name, const char *format, ...)
{
    char text[LINE], escaped[LINE];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0)
        return;
    ly__escape(escaped, sizeof escaped, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    fprintf(stderr, "lanyard%s%s: %s\n", name ? " " : "", name ? name : "", escaped);
}

int ly__cli_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input)
{
    static char name[64];
    const char *command = argv[0];
    snprintf(name, sizeof name, "lanyard %s", command);
    argv[0] = name;
    int r = argp_parse(argp, argc, argv, flags, NULL, input);
    if (r != 0)
        ly__cli_say(command, "cannot read the command line: %s", ly_error_text(-r));
    return r;
}
