/* SPDX-License-Identifier: MIT */
#include "cli/exec_json.h"
#include "base/utf8.h"
#include <lanyard/clock.h>
#include <openssl/evp.h>
#include <string.h>

#define ROOM (8u * LY__EXEC_JSON_PIECE) /* each byte may become "\u0000" */

void ly__exec_json_init(struct ly__exec_json *j)
{
    *j = (struct ly__exec_json){.began = ly_now()};
    ly_buffer_init(&j->line, ROOM);
}

void ly__exec_json_done(struct ly__exec_json *j)
{
    ly_buffer_done(&j->line);
}

static int begin(struct ly__exec_json *j, const char *event)
{
    int r = ly_json_open(&j->line, NULL, '{');
    return r < 0 ? r : ly_json_put_string(&j->line, "event", event);
}

static int end(struct ly__exec_json *j, int r)
{
    if (r == 0)
        r = ly_json_close(&j->line, '}');
    return r < 0 ? r : ly_buffer_append(&j->line, "\n", 1);
}

int ly__exec_json_started(struct ly__exec_json *j, struct ly_json header)
{
    int64_t pid = 0;
    ly_buffer_clear(&j->line);
    j->began = ly_now();
    int r = begin(j, "started");
    if (r == 0 && ly_json_int(ly_json_get(header, "pid"), &pid) == 0)
        r = ly_json_put_int(&j->line, "pid", pid);
    return end(j, r);
}

/* ---- output ---- */

static int put_base64(struct ly__exec_json *j, const char *bytes, size_t n)
{
    size_t length = (n + 2) / 3 * 4;
    char *place = NULL;
    int r = ly_buffer_append(&j->line, ", \"data\": \"", 11);
    if (r == 0)
        r = ly_buffer_reserve(&j->line, length + 1, &place); /* it is ended by a zero byte */
    if (r < 0)
        return r;
    (void)EVP_EncodeBlock((unsigned char *)place, (const unsigned char *)bytes, (int)n);
    ly_buffer_commit(&j->line, length);
    return ly_buffer_append(&j->line, "\"", 1);
}

static int put_piece(struct ly__exec_json *j, int which, const char *bytes, size_t n, bool is_text)
{
    if (n == 0)
        return 0;
    int r = begin(j, which ? "stderr" : "stdout");
    if (r == 0)
        r = ly_json_put_string(&j->line, "encoding", is_text ? "utf-8" : "base64");
    if (r == 0)
        r = is_text ? ly_json_put_bytes(&j->line, "data", bytes, n) : put_base64(j, bytes, n);
    return end(j, r);
}

int ly__exec_json_output(struct ly__exec_json *j, int which, const char *bytes, size_t n)
{
    char joined[LY__EXEC_JSON_PIECE + sizeof j->kept[0].bytes];
    size_t kept = j->kept[which].n;
    memcpy(joined, j->kept[which].bytes, kept);
    memcpy(joined + kept, bytes, n);
    n += kept;
    ly_buffer_clear(&j->line);
    size_t span = ly__utf8_span(joined, n), rest = n - span;
    bool is_text = rest == 0 || (rest < sizeof j->kept[which].bytes && ly__utf8_is_cut(joined + span, rest));
    j->kept[which].n = is_text ? rest : 0;
    memcpy(j->kept[which].bytes, joined + span, j->kept[which].n);
    return put_piece(j, which, joined, is_text ? span : n, is_text);
}

/* A character of which no more came. */
static int put_kept(struct ly__exec_json *j)
{
    int r = 0;
    ly_buffer_clear(&j->line);
    for (int which = 0; which < 2 && r == 0; which++) {
        r = put_piece(j, which, j->kept[which].bytes, j->kept[which].n, false);
        j->kept[which].n = 0;
    }
    return r;
}

/* ---- the end ---- */

int ly__exec_json_end(struct ly__exec_json *j, struct ly_json header)
{
    static const char *const numbers[] = {"exit", "signal"};
    int64_t number = 0;
    bool timeout = false;
    int r = put_kept(j);
    if (r == 0)
        r = begin(j, "end");
    for (size_t i = 0; i < 2 && r == 0; i++) {
        if (ly_json_int(ly_json_get(header, numbers[i]), &number) == 0)
            r = ly_json_put_int(&j->line, numbers[i], number);
    }
    if (r == 0 && ly_json_bool(ly_json_get(header, "timeout"), &timeout) == 0 && timeout)
        r = ly_json_put_bool(&j->line, "timeout", true);
    if (r == 0)
        r = ly_json_put_int(&j->line, "duration_ms", (ly_now() - j->began) / 1000000);
    return end(j, r);
}

int ly__exec_json_error(struct ly__exec_json *j, const char *error, const char *text)
{
    int r = put_kept(j);
    if (r == 0)
        r = begin(j, "error");
    if (r == 0)
        r = ly_json_put_string(&j->line, "error", error);
    if (r == 0)
        r = ly_json_put_string(&j->line, "text", text);
    return end(j, r);
}
