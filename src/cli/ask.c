/* SPDX-License-Identifier: MIT */
#include "cli/ask.h"
#include "cli/command.h"
#include <string.h>

#define TEXT_MAX 1024

/* A string field, or otherwise. */
static const char *field(struct ly_json header, const char *name, char *buf, size_t cap,
                         const char *otherwise)
{
    return ly_json_string(ly_json_get(header, name), buf, cap) < 0 ? otherwise : buf;
}

const char *ly__remote_text(struct ly_json header, char *buf, size_t cap)
{
    static const struct {
        const char *error, *text;
    } rows[] = {
        {"EAGAIN", "the server has too many such requests at once; try later"},
        {"LY_ESESSIONS",
         "you have as many sessions there as you may have at once; there, 'lanyard sessions' shows them, and "
         "'lanyard user role --sessions' allows more"},
        {"LY_ESHUTDOWN", "the server is shutting down"},
        {"LY_EROLE", "you do not have the role that this needs; there, 'lanyard user role' gives it"},
        {"LY_ELOGIN", "the server wants to know who you are, and that needs TLS: name it without tcp://"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (ly_json_equal(ly_json_get(header, "error"), rows[i].error))
            return rows[i].text;
    }
    return field(header, "text", buf, cap, "the server reported an error without a text");
}

void ly__say_remote(const char *command, struct ly_json header)
{
    char text[TEXT_MAX], path[TEXT_MAX];
    const char *what = ly__remote_text(header, text, sizeof text);
    if (strcmp(command, "exec") == 0 && ly_json_equal(ly_json_get(header, "error"), "LY_EROLE"))
        what =
            "you do not have the role that this needs, or no account to run commands as; there, 'lanyard user role' "
            "gives both";
    const char *where = field(header, "path", path, sizeof path, "");
    ly__cli_say(command, "%s%s%s", where, *where ? ": " : "", what);
}

void ly__say_not_let_in(const struct ly__client *c, struct ly_json header)
{
    if (ly_json_equal(ly_json_get(header, "error"), "LY_EOUTSIDE"))
        ly__cli_say(c->command,
                    "%s: your directory there is not below the one that is served; its log names both, and "
                    "'lanyard user role --directory' there gives you another",
                    c->address);
    else
        ly__say_remote(c->command, header);
}

static int send_request(struct ly__client *c, const char *cmd, int64_t id)
{
    struct ly_buffer head;
    ly_buffer_init(&head, LY_FRAME_HEADER_MAX + 4);
    int r = ly_frame_begin(&head);
    if (r == 0)
        r = ly_json_put_string(&head, "cmd", cmd);
    if (r == 0)
        r = ly_json_put_int(&head, "id", id);
    if (r == 0)
        r = ly_frame_end(&head, 0);
    if (r == 0)
        r = ly__client_request(c, &head);
    ly_buffer_done(&head);
    return r;
}

int ly__ask(struct ly__client *c, const char *command, const char *cmd, int64_t id,
            struct ly_frame *ret_frame)
{
    int64_t answered = -1;
    int r = send_request(c, cmd, id);
    if (r == 0)
        r = ly_frame_recv(c->stream, ret_frame);
    if (r == 0)
        r = LY_EEOF;
    if (r < 0) {
        if (!ly__client_has_said(c))
            ly__cli_say(command, "no answer from %s: %s%s", c->address, ly_error_text(r),
                        id <= 1 ? ly__client_advice(c, r) : "");
        return r;
    }
    if (ly_json_type(ly_json_get(ret_frame->header, "error")) != LY_JSON_NONE) {
        ly__say_remote(command, ret_frame->header);
        return LY_EREMOTE;
    }
    if (ly_json_int(ly_json_get(ret_frame->header, "id"), &answered) < 0 || answered != id) {
        ly__cli_say(command, "%s answers something else than was asked", c->address);
        return LY_EFRAME;
    }
    return ly_frame_skip(c->stream, ret_frame->size);
}
