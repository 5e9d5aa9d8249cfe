/* SPDX-License-Identifier: MIT */
/* What the receiver's hooks are told. Work on the pool only notes failures; the fiber tells them. */
#include "service/files/transfer_recv.h"

#include <string.h>

void ly__receive_note(struct ly__receive *r, int error, const char *path)
{
    int e = ly_buffer_append(&r->failures, &error, sizeof error);
    if (e == 0)
        e = ly_buffer_append(&r->failures, path, strlen(path) + 1);
    if (e < 0)
        r->fatal = e;
}

int ly__receive_tell_failure(struct ly__receive *r, int error, const char *text, const char *path)
{
    r->counts.failed++;
    return r->options.hooks->failed(r->options.arg, error, text, path);
}

int ly__receive_tell_noted(struct ly__receive *r)
{
    int result = r->fatal;
    while (result == 0 && r->failures.length > 0) {
        int error;
        memcpy(&error, ly_buffer_bytes(&r->failures), sizeof error);
        const char *path = ly_buffer_bytes(&r->failures) + sizeof error;
        size_t n = strlen(path) + 1;
        if (error < 0)
            result = ly__receive_tell_failure(r, error, NULL, path);
        else if (r->options.hooks->other)
            r->options.hooks->other(r->options.arg, path);
        ly_buffer_consume(&r->failures, sizeof error + n);
    }
    return result;
}

void ly__receive_tell_entry(const struct ly__receive *r)
{
    if (r->options.hooks->entry)
        r->options.hooks->entry(r->options.arg, r->entry.path);
}

void ly__receive_progress(const struct ly__receive *r, const char *path, int64_t n)
{
    if (n > 0 && r->options.hooks->progress)
        r->options.hooks->progress(r->options.arg, path, n);
}
