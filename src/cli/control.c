/* SPDX-License-Identifier: MIT */
#include "cli/control.h"
#include "cli/ask.h"
#include "cli/client.h"
#include "cli/command.h"

#define BODY_MAX (64 << 20)

static int send_request(struct ly__client *c, const struct ly__control_request *q)
{
    struct ly_buffer head;
    ly_buffer_init(&head, LY_FRAME_HEADER_MAX + 4);
    int r = ly_frame_begin(&head);
    if (r == 0)
        r = ly_json_put_string(&head, "cmd", q->cmd);
    if (r == 0)
        r = ly_json_put_int(&head, "id", 1);
    if (r == 0 && q->user)
        r = ly_json_put_string(&head, "user", q->user);
    if (r == 0 && q->session > 0)
        r = ly_json_put_int(&head, "session", q->session);
    if (r == 0)
        r = ly_frame_end(&head, 0);
    if (r == 0)
        r = ly__client_request(c, &head);
    ly_buffer_done(&head);
    return r;
}

static int receive_body(struct ly__client *c, int64_t size, struct ly_buffer *body)
{
    while (size > 0) {
        const char *bytes;
        ssize_t n = ly_stream_peek(c->stream, 1, &bytes);
        if (n <= 0)
            return n < 0 ? (int)n : LY_EEOF;
        n = n < size ? n : (ssize_t)size;
        int r = ly_buffer_append(body, bytes, (size_t)n);
        if (r < 0)
            return r;
        ly_stream_consume(c->stream, (size_t)n);
        size -= n;
    }
    return 0;
}

/* Returns 0; LY_EREMOTE, which was said; or an error. */
static int converse(struct ly__client *c, const char *command, const struct ly__control_request *q,
                    int64_t *ret_ended, struct ly_buffer *body)
{
    struct ly_frame f;
    int r = send_request(c, q);
    if (r < 0)
        return r;
    r = ly_frame_recv(c->stream, &f);
    if (r <= 0)
        return r < 0 ? r : LY_EEOF;
    struct ly_json error = ly_json_get(f.header, "error");
    if (ly_json_equal(error, "EOPNOTSUPP"))
        ly__cli_say(command, "%s does not answer that: ask on that machine, at the server's Unix socket",
                    c->address);
    else if (ly_json_equal(error, "ENOENT"))
        ly__cli_say(command, "there is no such session");
    else if (ly_json_type(error) != LY_JSON_NONE)
        ly__say_remote(command, f.header);
    if (ly_json_type(error) != LY_JSON_NONE)
        return LY_EREMOTE;
    if (ret_ended && ly_json_int(ly_json_get(f.header, "ended"), ret_ended) < 0)
        return LY_EFIELD;
    return receive_body(c, f.size, body);
}

int ly__control_ask(const char *host, const char *command, const struct ly__control_request *q,
                    int64_t *ret_ended, struct ly_buffer *ret_body)
{
    struct ly__client c;
    int r = ly__client_open(&c, command, host);
    if (r < 0)
        return r;
    ly_buffer_init(ret_body, BODY_MAX);
    r = converse(&c, command, q, ret_ended, ret_body);
    if (r < 0 && r != LY_EREMOTE && !ly__client_has_said(&c))
        ly__cli_say(command, "no answer from %s: %s%s", c.address, ly_error_text(r),
                    ly__client_advice(&c, r));
    if (r < 0)
        ly_buffer_done(ret_body);
    ly__client_close(&c);
    return r;
}
