/* SPDX-License-Identifier: MIT */
/* The log: what is written, and where to. How a line looks is in log_format.c. */
#include "base/log_internal.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STUCK_MS 100 /* how long the rest of a line waits for a non-blocking descriptor */

uint64_t (*ly__log_task_id)(void);

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_level = LY_LOG_INFO;
static atomic_int log_style = LY_LOGFMT;
static atomic_bool log_numbered;

static char *debug_areas; /* LY_DEBUG as it was at the first use; NULL: none */
static pthread_once_t debug_areas_once = PTHREAD_ONCE_INIT;

void ly_log_setup(const struct ly_log_options *options)
{
    atomic_store_explicit(&log_fd, options->fd, memory_order_relaxed);
    atomic_store_explicit(&log_level, (int)options->level, memory_order_relaxed);
    atomic_store_explicit(&log_style, (int)options->format, memory_order_relaxed);
    atomic_store_explicit(&log_numbered, options->numbered, memory_order_relaxed);
}

static void read_environment(void)
{
    const char *value = secure_getenv("LY_DEBUG");
    debug_areas =
        value && *value ? strdup(value) : NULL; /* kept for good; without memory nothing is traced */
}

/* Whether the list "net,frame" names the area, or all. */
static bool list_names(const char *list, const char *area)
{
    while (*list) {
        list += strspn(list, ", ");
        size_t length = strcspn(list, ", ");
        if (length == 3 && !strncmp(list, "all", 3))
            return true;
        if (length && length == strlen(area) && !strncmp(list, area, length))
            return true;
        list += length;
    }
    return false;
}

bool ly_log_enabled(enum ly_log_level level, const char *area)
{
    if ((int)level <= atomic_load_explicit(&log_level, memory_order_relaxed))
        return true;
    if (level != LY_LOG_DEBUG)
        return false;
    pthread_once(&debug_areas_once, read_environment);
    return debug_areas && list_names(debug_areas, area ? area : "");
}

/*
 * One write(2) a line; only a descriptor that takes part of it needs more. A full non-blocking descriptor
 * loses the line rather than stall the thread; a line once begun gets a moment to end.
 */
static void write_line(int fd, const char *line, size_t length)
{
    size_t written = 0;
    while (written < length) {
        ssize_t n = write(fd, line + written, length - written);
        if (n > 0) {
            written += (size_t)n;
        } else if (n < 0 && errno == EAGAIN && written) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            if (poll(&p, 1, STUCK_MS) <= 0)
                return;
        } else if (n == 0 || errno != EINTR) {
            return;
        }
    }
}

/* As sd-daemon(3) has them, which are syslog's. Returns how many bytes it is. */
static size_t put_number(enum ly_log_level level, char *out)
{
    static const char numbers[] = {
        [LY_LOG_ERROR] = '3', [LY_LOG_WARNING] = '4', [LY_LOG_INFO] = '6', [LY_LOG_DEBUG] = '7'};
    if (!atomic_load_explicit(&log_numbered, memory_order_relaxed) || level >= sizeof numbers)
        return 0;
    out[0] = '<';
    out[1] = numbers[level];
    out[2] = '>';
    return 3;
}

void ly_log_fields(enum ly_log_level level, const char *area, const char *message,
                   const struct ly_log_field *fields)
{
    if (!ly_log_enabled(level, area))
        return;
    int saved = errno;
    char line[3 + LY__LOG_LINE_MAX];
    struct ly__log_record record = {
        .level = level,
        .area = area,
        .message = message,
        .thread = gettid(),
        .task = ly__log_task_id ? ly__log_task_id() : 0,
        .fields = fields,
    };
    clock_gettime(CLOCK_REALTIME, &record.time);
    int style = atomic_load_explicit(&log_style, memory_order_relaxed);
    size_t length = put_number(level, line);
    length += ly__log_format((enum ly_log_format)style, &record, line + length);
    write_line(atomic_load_explicit(&log_fd, memory_order_relaxed), line, length);
    errno = saved;
}
