/* SPDX-License-Identifier: MIT */
/* What ls and stat print of an entry, and JSON that a server sent. */
#ifndef LY_CLI_ENTRY_H
#define LY_CLI_ENTRY_H

#include <lanyard/json.h>
#include <stdbool.h>

/* One line: the name alone, or with mode, size and time in front and a link's target behind (details).
 * Control characters are escaped if the output is a terminal. */
void ly__entry_print(struct ly_json entry, bool details);

/* One line: the JSON as it came, in ASCII without control characters, whatever white space and characters the
 * server has put in it. */
void ly__entry_print_json(struct ly_json entry);

#endif
