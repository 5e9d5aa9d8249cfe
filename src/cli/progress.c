/* SPDX-License-Identifier: MIT */
/*
 * The bar is drawn by a task of its own, once a second, so that it also moves (and says "stalled") while the
 * transfer waits. The lock is held for a copy only, never while something is written to a terminal.
 */
#include "cli/progress.h"

#include "base/escape.h"

#include <errno.h>
#include <lanyard/buffer.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <lanyard/fiber.h>
#include <lanyard/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TICK_MS 1000          /* between two pictures of the bar */
#define STALL_NS 5000000000   /* without a byte, after which it says so */
#define NAME_SHOWN 256        /* bytes of a path that are kept for the bar */
#define EVENT_MAX (64u << 10) /* bytes of one event */

struct ly__progress {
    const char *command;
    enum ly__progress_style style;
    bool bar;               /* standard error is a terminal */
    struct ly_scope *scope; /* of the task that draws; NULL: none */
    pthread_mutex_t lock;   /* over the next five */
    int64_t bytes;          /* so far */
    int64_t total;          /* to come in all; 0: unknown */
    int64_t last;           /* when the last byte came */
    int64_t since;          /* when the first did */
    char name[NAME_SHOWN];  /* the file in hand, its end if it is long */
    struct ly_buffer event; /* of the JSON style */
};

/* ---- the bar ---- */

/* 1234567 as "1.2 MiB". */
static void human(char *out, size_t cap, double n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    while (n >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        n /= 1024;
        unit++;
    }
    (void)snprintf(out, cap, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
}

static void remaining(char *out, size_t cap, double seconds)
{
    long s = seconds > 359999 ? 359999 : (long)(seconds + 0.5);
    if (s >= 3600)
        (void)snprintf(out, cap, "%ld:%02ld:%02ld left", s / 3600, s / 60 % 60, s % 60);
    else
        (void)snprintf(out, cap, "%ld:%02ld left", s / 60, s % 60);
}

static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void draw(struct ly__progress *p)
{
    char bytes[32], per_second[32], rate[48], eta[32] = "", name[NAME_SHOWN], shown[4 * NAME_SHOWN],
                                              line[4 * NAME_SHOWN + 128], percent[16] = "";
    int64_t now = ly_now();

    pthread_mutex_lock(&p->lock);
    int64_t n = p->bytes, total = p->total, silent = now - p->last;
    double seconds = (double)(now - p->since) / 1e9;
    memcpy(name, p->name, sizeof name);
    pthread_mutex_unlock(&p->lock);

    double speed = seconds > 0 ? (double)n / seconds : 0;
    human(bytes, sizeof bytes, (double)n);
    human(per_second, sizeof per_second, speed);
    (void)snprintf(rate, sizeof rate, "%s/s", per_second);
    if (silent > STALL_NS)
        (void)snprintf(eta, sizeof eta, "stalled");
    else if (total > n && speed > 0)
        remaining(eta, sizeof eta, (double)(total - n) / speed);
    if (total > 0)
        (void)snprintf(percent, sizeof percent, "%3d%% ",
                       n >= total ? 100 : (int)(100 * (double)n / (double)total));
    (void)ly__escape(shown, sizeof shown, name, strlen(name));
    (void)snprintf(line, sizeof line, "%s%10s %12s %14s  %s", percent, bytes, rate, eta, shown);
    fprintf(stderr, "\r\033[K%.*s", columns() - 1, line);
    fflush(stderr);
}

/* ---- events ---- */

static void event_begin(struct ly__progress *p, const char *name)
{
    ly_buffer_clear(&p->event);
    (void)ly_json_open(&p->event, NULL, '{');
    (void)ly_json_put_string(&p->event, "event", name);
    (void)ly_json_put_string(&p->event, "command", p->command);
}

static void event_end(struct ly__progress *p)
{
    if (ly_json_close(&p->event, '}') == 0)
        printf("%.*s\n", (int)p->event.length, ly_buffer_bytes(&p->event));
    fflush(stdout);
}

static void event_progress(struct ly__progress *p)
{
    pthread_mutex_lock(&p->lock);
    event_begin(p, "progress");
    (void)ly_json_put_int(&p->event, "bytes", p->bytes);
    if (p->total > 0)
        (void)ly_json_put_int(&p->event, "total", p->total);
    (void)ly_json_put_string(&p->event, "path", p->name);
    event_end(p);
    pthread_mutex_unlock(&p->lock);
}

static int tick(void *arg)
{
    struct ly__progress *p = arg;
    int r;
    while ((r = ly_sleep(TICK_MS)) == 0) {
        if (p->style == LY__PROGRESS_JSON)
            event_progress(p);
        else
            draw(p);
    }
    return r;
}

/* ---- for put and get ---- */

int ly__progress_new(struct ly__progress **ret_progress, const char *command, enum ly__progress_style style)
{
    struct ly__progress *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->command = command;
    p->style = style;
    p->bar = style == LY__PROGRESS_AUTO && isatty(STDERR_FILENO);
    p->since = p->last = ly_now();
    ly_buffer_init(&p->event, EVENT_MAX);
    pthread_mutex_init(&p->lock, NULL);
    int r = 0;
    if (p->bar || style == LY__PROGRESS_JSON) {
        r = ly_scope_open(&p->scope, &(struct ly_scope_options){.name = "progress"});
        if (r == 0)
            r = ly_go(p->scope, tick, p);
    }
    if (r < 0) {
        ly__progress_free(p);
        return r;
    }
    *ret_progress = p;
    return 0;
}

void ly__progress_total(struct ly__progress *p, int64_t bytes)
{
    pthread_mutex_lock(&p->lock);
    p->total += bytes;
    pthread_mutex_unlock(&p->lock);
}

void ly__progress_add(struct ly__progress *p, const char *path, int64_t n)
{
    if (!p->scope)
        return;
    pthread_mutex_lock(&p->lock);
    p->bytes += n;
    p->last = ly_now();
    if (path[0]) {
        size_t length = strlen(path);
        const char *end = length < sizeof p->name ? path : path + length + 1 - sizeof p->name;
        memcpy(p->name, end, strlen(end) + 1);
    }
    pthread_mutex_unlock(&p->lock);
}

static void clear_line(const struct ly__progress *p)
{
    if (p->bar)
        fprintf(stderr, "\r\033[K");
}

void ly__progress_failed(struct ly__progress *p, int error, const char *text, const char *path)
{
    char shown[4 * 4096 + 1], said[512];

    pthread_mutex_lock(&p->lock);
    if (!text)
        text = ly_error_text(error);
    (void)ly__escape(shown, sizeof shown, path, strlen(path));
    (void)ly__escape(said, sizeof said, text, strlen(text));
    clear_line(p);
    fprintf(stderr, "lanyard %s: %s: %s\n", p->command, shown[0] ? shown : ".", said);
    if (p->style == LY__PROGRESS_JSON) {
        event_begin(p, "failed");
        (void)ly_json_put_string(&p->event, "path", path);
        (void)ly_json_put_string(&p->event, "error", ly_error_name(error));
        (void)ly_json_put_string(&p->event, "text", text);
        event_end(p);
    }
    pthread_mutex_unlock(&p->lock);
}

void ly__progress_unwritten(struct ly__progress *p, int error, const char *where, const char *path)
{
    char text[256];
    bool system = error < 0 && error > LY_EEOF; /* else the text says enough */
    if (error == -EBUSY)
        (void)snprintf(text, sizeof text,
                       "busy %s: another transfer is writing it (then try again when that has ended), or "
                       "something is mounted on it",
                       where);
    else
        (void)snprintf(text, sizeof text, "cannot be written %s: %s", where, ly_error_text(error));
    ly__progress_failed(p, error, system ? text : NULL, path);
}

void ly__progress_other(struct ly__progress *p, const char *path)
{
    char shown[4 * 4096 + 1];

    pthread_mutex_lock(&p->lock);
    (void)ly__escape(shown, sizeof shown, path, strlen(path));
    clear_line(p);
    fprintf(stderr, "lanyard %s: %s: left out: " LY__NO_ENTRY "\n", p->command, shown);
    if (p->style == LY__PROGRESS_JSON) {
        event_begin(p, "left out");
        (void)ly_json_put_string(&p->event, "path", path);
        event_end(p);
    }
    pthread_mutex_unlock(&p->lock);
}

static void stop(struct ly__progress *p)
{
    ly_scope_close(p->scope);
    p->scope = NULL;
}

static void say_done(const struct ly__progress *p, const struct ly__transfer_counts *c)
{
    char size[32], rate[32], same[64] = "";
    double seconds = (double)(ly_now() - p->since) / 1e9;
    human(size, sizeof size, (double)c->bytes);
    human(rate, sizeof rate, seconds > 0 ? (double)c->bytes / seconds : 0);
    if (c->same > 0)
        (void)snprintf(same, sizeof same, "; %lld already there", (long long)c->same);
    fprintf(stderr, "%lld file%s, %s in %.1f s (%s/s)%s\n", (long long)c->files, c->files == 1 ? "" : "s",
            size, seconds, rate, same);
}

void ly__progress_done(struct ly__progress *p, const struct ly__transfer_counts *c)
{
    stop(p);
    clear_line(p);
    if (p->bar)
        say_done(p, c);
    if (p->style != LY__PROGRESS_JSON)
        return;
    event_begin(p, "done");
    (void)ly_json_put_int(&p->event, "files", c->files);
    (void)ly_json_put_int(&p->event, "bytes", c->bytes);
    (void)ly_json_put_int(&p->event, "failed", c->failed);
    (void)ly_json_put_int(&p->event, "same", c->same);
    (void)ly_json_put_int(&p->event, "left_out", c->others);
    event_end(p);
}

void ly__progress_free(struct ly__progress *p)
{
    if (!p)
        return;
    stop(p);
    ly_buffer_done(&p->event);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
