/* SPDX-License-Identifier: MIT */
#include "cli/request.h"

#include "cli/ask.h"
#include "cli/command.h"

#include <string.h>

void ly__target_init(struct ly__target *t, const char *command)
{
    memset(t, 0, sizeof *t);
    t->command = command;
    ly_buffer_init(&t->head, LY_FRAME_HEADER_MAX + 4);
}

void ly__target_done(struct ly__target *t)
{
    if (t->connected)
        ly__client_close(&t->client);
    t->connected = false;
    ly_buffer_done(&t->head);
}

int ly__target_take(struct ly__target *t, const char *argument)
{
    char host[LY__HOST_TEXT] = "";
    int r = ly__host_split(argument, host, &t->path);

    if (r < 0) {
        ly__cli_say(t->command, "%s: expected HOST:PATH, as in lab:docs, unix:/run/x.sock:docs or :docs",
                    argument);
        return r;
    }
    if (r == 0)
        t->path = argument;
    if (t->connected && !strcmp(host, t->host))
        return 0;
    if (t->connected)
        ly__client_close(&t->client);
    t->connected = false;
    memcpy(t->host, host, sizeof host);
    r = ly__client_open(&t->client, t->command, host);
    t->connected = r == 0;
    return r;
}

int ly__target_begin(struct ly__target *t, const char *cmd)
{
    int r = ly_frame_begin(&t->head);
    if (r == 0)
        r = ly_json_put_string(&t->head, "cmd", cmd);
    if (r == 0)
        r = ly_json_put_int(&t->head, "id", ++t->id);
    return r;
}

int ly__target_send(struct ly__target *t, int r)
{
    if (r == 0)
        r = ly_frame_end(&t->head, 0);
    return r < 0 ? r : ly__client_request(&t->client, &t->head);
}

static int receive(struct ly__target *t, int r, struct ly_frame *ret_frame)
{
    int64_t id = -1;
    if (r < 0)
        return r;
    r = ly_frame_recv(t->client.stream, ret_frame);
    if (r <= 0)
        return r < 0 ? r : LY_EEOF;
    if (ret_frame->size > 0)
        return LY_EFRAME;
    if (ly_json_type(ly_json_get(ret_frame->header, "error")) == LY_JSON_STRING)
        return LY_EREMOTE;
    return ly_json_int(ly_json_get(ret_frame->header, "id"), &id) < 0 || id != t->id ? LY_EFRAME : 0;
}

int ly__target_receive(struct ly__target *t, int r, struct ly_frame *ret_frame)
{
    r = receive(t, r, ret_frame);
    t->failed = r < 0 && (r != LY_EREMOTE || ly__client_has_said(&t->client));
    return r;
}

void ly__target_say(const struct ly__target *t, int error, const struct ly_frame *f)
{
    if (ly__client_has_said(&t->client))
        return;
    if (error == LY_EREMOTE)
        ly__say_remote(t->command, f->header);
    else
        ly__cli_say(t->command, "%s: %s%s", t->client.address, ly_error_text(error),
                    t->id <= 1 ? ly__client_advice(&t->client, error) : "");
}

int ly__target_ask(struct ly__target *t, int r, struct ly_frame *ret_frame)
{
    r = ly__target_receive(t, ly__target_send(t, r), ret_frame);
    if (r < 0)
        ly__target_say(t, r, ret_frame);
    return r;
}

int ly__target_stat(struct ly__target *t, const char *path, struct ly_frame *ret_frame)
{
    int r = ly__target_begin(t, "stat");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", path);
    return ly__target_receive(t, ly__target_send(t, r), ret_frame);
}

int ly__target_type(struct ly__target *t, const char *path)
{
    struct ly_frame f = {.size = 0};
    char type[64];
    int r = ly__target_stat(t, path, &f);
    if (r == LY_EREMOTE && ly_json_equal(ly_json_get(f.header, "error"), "ENOENT"))
        return 'n';
    if (r == LY_EREMOTE && ly_json_string(ly_json_get(f.header, "error"), type, sizeof type) > 0) {
        int error = ly_error_from_name(type);
        return error < 0 ? error : r;
    }
    if (r < 0)
        return r;
    if (ly_json_string(ly_json_get(ly_json_get(f.header, "entry"), "type"), type, sizeof type) <= 0)
        return LY_EFIELD;
    return type[0];
}

int ly__target_list(struct ly__target *t, const char *path, int (*add)(void *arg, struct ly_json entry),
                    void *arg, struct ly_frame *ret_frame)
{
    int result = 0, r = ly__target_begin(t, "ls");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", path);
    r = ly__target_send(t, r);
    for (;;) {
        r = ly__target_receive(t, r, ret_frame);
        struct ly_json entry = r < 0 ? (struct ly_json){0} : ly_json_get(ret_frame->header, "entry");
        if (r < 0 || ly_json_type(entry) != LY_JSON_OBJECT)
            return r < 0 ? r : result;
        if (result == 0)
            result = add(arg, entry);
    }
}

size_t ly__last_name(const char *path, const char **ret_name)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    *ret_name = path + start;
    size_t n = end - start;
    bool dots = (n == 1 && path[start] == '.') || (n == 2 && path[start] == '.' && path[start + 1] == '.');
    return dots ? 0 : n;
}
