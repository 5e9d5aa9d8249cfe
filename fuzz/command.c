/* SPDX-License-Identifier: MIT */
/* What a command is to be, as a client asks for it, and a worker its supervisor: what is taken is whole. */
#include "service/exec_command.h"
#include <lanyard/frame.h>
#include <lanyard/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_variable(const char *text)
{
    return *text != '=' && strchr(text, '=');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const variables[] = {"PATH=/bin", "HOME=/", NULL};
    const struct ly__service service = {.env = variables};
    struct ly__command c;
    struct ly_json json;
    if (ly_json_check(&json, (const char *)data, size) < 0 || ly_json_type(json) != LY_JSON_OBJECT)
        return 0;
    if (ly__command_read(&c, json, &service) == 0) {
        size_t n = 0;
        bool has_path = false;
        if (!c.argv[0])
            abort();
        while (c.argv[n])
            n++;
        if (n > 1024 || (c.cwd && strlen(c.cwd) > size) || c.timeout_ms < -1)
            abort();
        for (n = 0; c.env[n]; n++) {
            if (!is_variable(c.env[n]))
                abort();
            has_path |= strncmp(c.env[n], "PATH=", 5) == 0;
        }
        if (n < 2 || !has_path) /* those of the service are there, or the request's own of that name */
            abort();
    }
    ly__command_done(&c);
    return 0;
}
