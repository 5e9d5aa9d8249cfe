/* SPDX-License-Identifier: MIT */
#include "daemon/relay.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/clock.h>
#include <lanyard/json.h>
#include <lanyard/process.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE 8192 /* bytes of a line, as of the log's own */
#define FIELDS 16 /* of a line; the others are left out */
#define NAME 32
#define LINES_MAX 1000 /* in a second */
#define SECOND_NS INT64_C(1000000000)

struct ly__relay {
    struct ly_pipe *from;
    pid_t pid;
    size_t n;     /* bytes in line */
    bool is_long; /* the rest of this line is left out */
    char line[LINE + 1];
    /* of the second that began then */
    int64_t began;
    unsigned lines, left_out;
    /* the line that is logged: its texts, one after the other */
    char texts[LINE + 1];
    size_t used;
    char names[FIELDS][NAME];
    struct ly_log_field fields[FIELDS + 2];
    size_t nfields;
};

void ly__relay_setup(enum ly_log_level level)
{
    ly_log_setup(&(struct ly_log_options){.fd = STDERR_FILENO, .level = level, .format = LY_LOG_JSON});
}

int ly__relay_open(struct ly__relay **ret_relay, int *ret_fd)
{
    int fds[2];
    struct ly__relay *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    /* A worker never waits for its log: what the pipe does not take is lost. */
    int e = pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
    if (e == 0) {
        *ret_fd = fds[1];
        e = ly_pipe_from_fd(&r->from, fds[0]);
        if (e < 0) {
            close(fds[0]);
            close(fds[1]);
        }
    }
    if (e < 0)
        free(r);
    else
        *ret_relay = r;
    return e;
}

void ly__relay_name(struct ly__relay *r, pid_t pid)
{
    r->pid = pid;
}

void ly__relay_free(struct ly__relay *r)
{
    if (r)
        ly_pipe_close(r->from);
    free(r);
}

/* ---- a line ---- */

static void add_field(struct ly__relay *r, struct ly_log_field field)
{
    r->fields[r->nfields++] = field;
}

/* Copy a text of the line to where it stays until the line is logged; NULL: it is none. There is room, since
 * a text is shorter than how JSON writes it. */
static const char *keep_text(struct ly__relay *r, struct ly_json value)
{
    char *at = r->texts + r->used;
    ssize_t n = ly_json_string(value, at, sizeof r->texts - r->used);
    if (n < 0)
        return NULL;
    r->used += (size_t)n + 1;
    return at;
}

/* A field's name that is one, and none of those that each line has of its own. */
static bool is_name(const char *name)
{
    static const char *const own[] = {"time", "level", "area", "tid", "fiber", "msg", "truncated", "worker"};
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz_");
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (strcmp(name, own[i]) == 0)
            return false;
    }
    return n > 0 && name[n] == '\0';
}

static void take_field(struct ly__relay *r, struct ly_json name, struct ly_json value)
{
    char *key = r->names[r->nfields];
    int64_t number;
    if (r->nfields == FIELDS || ly_json_string(name, key, NAME) < 0 || !is_name(key))
        return;
    const char *text = ly_json_type(value) == LY_JSON_STRING ? keep_text(r, value) : NULL;
    if (text)
        add_field(r, LY_STR(key, text));
    else if (ly_json_int(value, &number) == 0)
        add_field(r, LY_INT(key, number));
}

static enum ly_log_level level_of(struct ly_json line)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    struct ly_json level = ly_json_get(line, "level");
    for (int i = 0; i < 4; i++) {
        if (ly_json_equal(level, names[i]))
            return (enum ly_log_level)i;
    }
    return LY_LOG_WARNING;
}

static void log_fields(struct ly__relay *r, enum ly_log_level level, const char *message)
{
    add_field(r, LY_INT("worker", r->pid));
    add_field(r, LY_END);
    ly_log_fields(level, "worker", message, r->fields);
}

/* Log a line that ends with a zero byte. */
static void log_line(struct ly__relay *r)
{
    struct ly_json line, name, value;
    size_t it = 0;
    const char *message = NULL;
    r->used = r->nfields = 0;
    bool is_ours = ly_json_check(&line, r->line, r->n) == 0 && ly_json_type(line) == LY_JSON_OBJECT;
    if (is_ours)
        message = keep_text(r, ly_json_get(line, "msg"));
    if (!message) {
        add_field(r, LY_STR("text", r->line));
        log_fields(r, LY_LOG_WARNING, "a worker has written");
        return;
    }
    while (ly_json_next(line, &it, &name, &value))
        take_field(r, name, value);
    log_fields(r, level_of(line), message);
}

/* ---- lines ---- */

static void tell_left_out(struct ly__relay *r)
{
    if (r->left_out > 0)
        ly_log(LY_LOG_WARNING, "worker", "lines of a worker were left out", LY_INT("lines", r->left_out),
               LY_INT("worker", r->pid));
    r->left_out = 0;
}

static void end_line(struct ly__relay *r)
{
    int64_t now = ly_now();
    if (now - r->began >= SECOND_NS) {
        tell_left_out(r);
        r->began = now;
        r->lines = 0;
    }
    r->line[r->n] = '\0';
    if (r->n > 0 && r->lines++ >= LINES_MAX)
        r->left_out++;
    else if (r->n > 0)
        log_line(r);
    r->n = 0;
    r->is_long = false;
}

static void take_byte(struct ly__relay *r, char c)
{
    if (c == '\n')
        end_line(r);
    else if (r->n < LINE && !r->is_long)
        r->line[r->n++] = c ? c : ' ';
    else
        r->is_long = true;
}

int ly__relay_run(void *arg)
{
    struct ly__relay *r = arg;
    char piece[4096];
    ssize_t n;
    while ((n = ly_pipe_read(r->from, piece, sizeof piece)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            take_byte(r, piece[i]);
    }
    end_line(r);
    tell_left_out(r);
    ly__relay_free(r);
    return 0;
}
