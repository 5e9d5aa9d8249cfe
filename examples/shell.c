/* SPDX-License-Identifier: MIT */
/*
 * Running a shell command and collecting what it writes.
 *
 * Python's tutorials read all of standard output, then all of standard error. That stands still for ever when
 * the command fills the second pipe (64 KiB) while the first is still open, and when a command that was left
 * in the background keeps one open. So both are read at once, by a task each, and what counts as the end is
 * that of the command: what it wrote is in the pipes then, and is taken out without waiting for more.
 */
#include "shell.h"
#include <errno.h>
#include <iconv.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)16 << 10)
#define PIPE_MAX ((size_t)1 << 20) /* what a pipe holds at most */

struct collector {
    struct ly_process *process;
    struct ly_pipe *pipe; /* NULL: there is none */
    struct ly_buffer *to;
    ssize_t result; /* of the last read: 0 at the end of the pipe */
};

static ssize_t collect_piece(struct collector *c)
{
    char *place;
    int r = ly_buffer_reserve(c->to, PIECE, &place);
    if (r < 0)
        return r;
    ssize_t n = ly_pipe_read(c->pipe, place, PIECE);
    if (n > 0)
        ly_buffer_commit(c->to, (size_t)n);
    return n;
}

static int collect(void *arg)
{
    struct collector *c = arg;
    do
        c->result = collect_piece(c);
    while (c->result > 0);
    if (c->result < 0 && c->result != -ECANCELED) /* nobody empties the pipe any more */
        ly_process_kill(c->process, SIGKILL, true);
    return 0;
}

/* What is in the pipe already, after the command's end. */
static ssize_t collect_rest(struct collector *c)
{
    size_t most = c->to->length + PIPE_MAX;
    if (c->result == -ECANCELED)
        c->result = 1;
    while (c->result > 0 && c->to->length < most && ly_pipe_wait(c->pipe, 0) == 0)
        c->result = collect_piece(c);
    return c->result < 0 ? c->result : 0;
}

/* Both at once, until the command has ended. */
static int collect_both(struct collector both[2])
{
    struct ly_scope *scope;
    int r = ly_scope_open(&scope, NULL);
    if (r < 0)
        return r;
    for (int i = 0; i < 2 && r == 0; i++) {
        both[i].result = 1;
        if (both[i].pipe)
            r = ly_go(scope, collect, &both[i]);
    }
    if (r == 0)
        r = ly_process_wait(both[0].process, NULL, LY_FOREVER);
    ly_scope_close(scope);
    for (int i = 0; i < 2 && r == 0; i++) {
        if (both[i].pipe)
            r = (int)collect_rest(&both[i]);
    }
    return r;
}

int shell_run(const char *command, size_t n, struct ly_buffer *out, struct ly_buffer *err)
{
    struct ly_process *process;
    if (memchr(command, '\0', n))
        return -EINVAL;
    char *text = malloc(n + 1);
    if (!text)
        return -ENOMEM;
    memcpy(text, command, n);
    text[n] = '\0';
    const char *const argv[] = {"/bin/sh", "-c", text, NULL};
    int r = ly_process_spawn(&process, &(struct ly_spawn_options){
                                           .argv = argv,
                                           .in = LY_NULL,
                                           .out = LY_PIPE,
                                           .err = err ? LY_PIPE : LY_TO_OUTPUT,
                                           .new_group = true,
                                       });
    free(text);
    if (r < 0)
        return r;
    struct collector both[2] = {{process, ly_process_stdout(process), out, 0},
                                {process, ly_process_stderr(process), err, 0}};
    r = collect_both(both);
    ly_process_free(process);
    return r;
}

/* The command as UTF-8, in text, which has room for 4 bytes for each of it. Returns its length; -EILSEQ: it
 * is no text in the encoding; -EINVAL: there is no such encoding. */
static ssize_t decode(const char *command, size_t n, const char *encoding, char *text)
{
    char *in = (char *)(uintptr_t)command, *out = text; /* iconv(3) does not write through in */
    size_t room = 4 * n;
    iconv_t converter = iconv_open("UTF-8", encoding);
    if (converter == (iconv_t)-1)
        return -EINVAL;
    size_t r = iconv(converter, &in, &n, &out, &room);
    iconv_close(converter);
    return r == (size_t)-1 ? -EILSEQ : out - text;
}

ssize_t shell_getoutput(const char *command, size_t n, const char *encoding, struct ly_buffer *out)
{
    char *text = NULL;
    ssize_t length = (ssize_t)n;
    ly_buffer_clear(out);
    if (encoding) {
        text = malloc(4 * n + 1);
        length = text ? decode(command, n, encoding, text) : -ENOMEM;
    }
    int r = (int)length;
    if (length >= 0)
        r = shell_run(text ? text : command, (size_t)length, out, NULL);
    else if (length == -EILSEQ)
        r = ly_buffer_printf(out, "the command is not %s", encoding);
    free(text);
    if (r < 0 || out->length == 0)
        return r;
    return (ssize_t)(out->length - (ly_buffer_bytes(out)[out->length - 1] == '\n'));
}
