/* SPDX-License-Identifier: MIT */
/*
 * A trail must not have half a record in it, nor lose one in silence, and must be writable by several
 * processes at once.
 *
 * The kernel appends one write(2) to a regular file under the inode's lock, so records of all who write never
 * mix. What is left is a write that ends early, because the disk has filled up in the middle of it. To
 * cut the piece off again would need a lock that all writers take, and a file that may be truncated, which an
 * append-only one must not. So the piece stays: the record counts as not written, and the next write
 * begins with a line end. Should another process write in between, its record follows the piece on the same
 * line; the reader finds it by the first bytes of a record, which are nowhere else in one, since quotation
 * marks in texts are escaped. A process that dies over it leaves the piece to the next one, which looks at
 * the last byte before its first record. (The file grows by pages, so a look in the middle of another's write
 * sees a piece where there is none; then there is an empty line, which means nothing.)
 *
 * Memory for a line is taken at the beginning, so that a record never fails for the want of it.
 */
#include "auth/audit.h"
#include "auth/audit_line.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GAP_LINE_MAX 1024u

struct ly__audit {
    pthread_mutex_t mutex;
    struct ly__audit_options options;
    char *path;
    int fd;                /* -1: it could not be opened */
    bool unsure;           /* the file may end in a piece of a record */
    uint64_t actions;      /* numbers given */
    struct ly_buffer text; /* what is written next */
    struct ly__audit_counts counts;
    struct gap {
        uint64_t lost, refused; /* since the last record that was written; both 0: none */
        struct timespec since;
        int error; /* the first */
    } gap;
};

/* ---- the file ---- */

/* A file that others may write to proves nothing. */
static int check_file(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((st.st_uid != geteuid() && st.st_uid != 0) || st.st_mode & 022)
        return -EPERM;
    return 0;
}

/* O_NONBLOCK: a named pipe in the place of the file is refused instead of waited for. */
static int open_file(struct ly__audit *a)
{
    int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd = open(a->path, flags, 0600);
    if (fd < 0)
        return -errno;
    int r = check_file(fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    if (a->fd >= 0)
        close(a->fd);
    a->fd = fd;
    a->unsure = true;
    return 0;
}

/* Whether waiting may help, so that "go on" may begin without a file. */
static bool is_of_the_disk(int error)
{
    static const int errors[] = {ENOSPC, EDQUOT, EROFS, EIO, EMFILE, ENFILE, ENOMEM};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (error == -errors[i])
            return true;
    }
    return false;
}

/* Append the text. Stores how much of it is in the file. */
static int append(struct ly__audit *a, size_t *ret_done)
{
    ssize_t n;
    *ret_done = 0;
    do
        n = write(a->fd, ly_buffer_bytes(&a->text), a->text.length);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    *ret_done = (size_t)n;
    if (n > 0)
        a->unsure = (size_t)n < a->text.length;
    return (size_t)n < a->text.length ? -ENOSPC : 0;
}

/* Whether the file ends in a piece of a record, as far as one can see. */
static bool is_torn(const struct ly__audit *a)
{
    char last;
    off_t size = a->unsure ? lseek(a->fd, 0, SEEK_END) : 0;
    return size != 0 && (size < 0 || pread(a->fd, &last, 1, size - 1) != 1 || last != '\n');
}

/* ---- a record ---- */

/* What goes before the record: the end of a torn line, and what is missing. Stores where that ends. */
static int begin_text(struct ly__audit *a, const struct timespec *now, size_t *ret_head)
{
    const struct gap *g = &a->gap;
    int r = 0;
    ly_buffer_clear(&a->text);
    if (is_torn(a))
        r = ly_buffer_append(&a->text, "\n", 1);
    if (r == 0 && (g->lost || g->refused))
        r = ly__audit_gap_line(&a->text, now, &g->since, g->error, g->lost, g->refused);
    *ret_head = a->text.length;
    return r;
}

static int64_t duration(const struct ly__audit_record *record)
{
    return record->began ? (ly_now() - record->began) / 1000000 : -1;
}

/* Write the record, or only what is due before it (NULL). The caller holds the mutex. */
static int put(struct ly__audit *a, const struct timespec *now, const struct ly__audit_record *record,
               const char *phase)
{
    size_t head = 0, done = 0;
    int r = a->fd < 0 ? open_file(a) : 0;
    if (r == 0)
        r = begin_text(a, now, &head);
    if (r == 0 && record)
        r = ly__audit_line(&a->text, now, record, phase, duration(record));
    if (r == 0 && a->text.length > 0)
        r = append(a, &done);
    if (head > 0 && done >= head)
        a->gap = (struct gap){.error = 0};
    return r;
}

static void note_failure(struct ly__audit *a, const struct timespec *now, int error, bool refused)
{
    if (!a->gap.lost && !a->gap.refused) {
        a->gap.since = *now;
        a->gap.error = error;
    }
    a->gap.lost += !refused;
    a->gap.refused += refused;
    a->counts.lost += !refused;
    a->counts.refused += refused;
}

/* Count what has come of it. Returns whether somebody should be told. The caller holds the mutex. */
static bool note(struct ly__audit *a, int r, const struct timespec *now, bool refused)
{
    bool tell = (r < 0) != (a->counts.error < 0);
    if (r < 0)
        note_failure(a, now, r, refused);
    else
        a->counts.written++;
    a->counts.error = r;
    return tell;
}

static void tell(const struct ly__audit *a, const struct ly__audit_counts *counts)
{
    if (a->options.trouble)
        a->options.trouble(a->options.trouble_arg, counts->error, counts);
}

static int record_it(struct ly__audit *a, const struct ly__audit_record *record, const char *phase)
{
    struct timespec now;
    bool refuse = a->options.policy == LY__AUDIT_REFUSE;
    pthread_mutex_lock(&a->mutex);
    clock_gettime(CLOCK_REALTIME, &now);
    int r = put(a, &now, record, phase);
    bool changed = note(a, r, &now, phase && refuse);
    struct ly__audit_counts counts = a->counts;
    pthread_mutex_unlock(&a->mutex);
    if (changed)
        tell(a, &counts);
    return refuse ? r : 0;
}

int ly__audit_begin(struct ly__audit *a, struct ly__audit_record *record)
{
    record->began = ly_now();
    if (!a)
        return 0;
    pthread_mutex_lock(&a->mutex);
    record->action = ++a->actions;
    pthread_mutex_unlock(&a->mutex);
    if (a->options.policy == LY__AUDIT_GO_ON && !record->lasts)
        return 0;
    return record_it(a, record, "begun");
}

int ly__audit_end(struct ly__audit *a, const struct ly__audit_record *record)
{
    return a ? record_it(a, record, NULL) : 0;
}

/* ---- life ---- */

static int prepare(struct ly__audit *a)
{
    char *place;
    size_t most = LY__AUDIT_LINE_MAX + GAP_LINE_MAX;
    a->path = strdup(a->options.path);
    ly_buffer_init(&a->text, most);
    return a->path ? ly_buffer_reserve(&a->text, most, &place) : -ENOMEM;
}

static void free_all(struct ly__audit *a)
{
    if (a->fd >= 0)
        close(a->fd);
    ly_buffer_done(&a->text);
    pthread_mutex_destroy(&a->mutex);
    free(a->path);
    free(a);
}

int ly__audit_open(struct ly__audit **ret, const struct ly__audit_options *options)
{
    struct ly__audit *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    a->fd = -1;
    a->options = *options;
    pthread_mutex_init(&a->mutex, NULL);
    int r = prepare(a);
    if (r == 0)
        r = open_file(a);
    if (r < 0 && a->path && options->policy == LY__AUDIT_GO_ON && is_of_the_disk(r)) {
        a->counts.error = r;
        tell(a, &a->counts);
        r = 0;
    }
    if (r < 0) {
        free_all(a);
        return r;
    }
    *ret = a;
    return 0;
}

/* Say what is missing, if that works now. */
static void flush_gap(struct ly__audit *a)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    (void)put(a, &now, NULL, NULL);
}

int ly__audit_reopen(struct ly__audit *a)
{
    if (!a)
        return 0;
    pthread_mutex_lock(&a->mutex);
    int r = open_file(a);
    if (r == 0)
        flush_gap(a);
    pthread_mutex_unlock(&a->mutex);
    return r;
}

void ly__audit_close(struct ly__audit *a)
{
    if (!a)
        return;
    flush_gap(a);
    free_all(a);
}

void ly__audit_count(struct ly__audit *a, struct ly__audit_counts *ret)
{
    *ret = (struct ly__audit_counts){.error = 0};
    if (!a)
        return;
    pthread_mutex_lock(&a->mutex);
    *ret = a->counts;
    pthread_mutex_unlock(&a->mutex);
}
