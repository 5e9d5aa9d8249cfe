/* SPDX-License-Identifier: MIT */
/* Output: from one of the command's pipes to the client, a frame for each read. */
#include "service/exec_run.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HEAD_MAX 256 /* bytes of an output frame's head */

void ly__pump_init(struct ly__pump *p, struct ly__run *run, struct ly_pipe *pipe, const char *name)
{
    *p = (struct ly__pump){.run = run, .pipe = pipe, .name = name};
    ly_buffer_init(&p->head, HEAD_MAX);
}

void ly__pump_done(struct ly__pump *p)
{
    free(p->room);
    ly_buffer_done(&p->head);
}

static int make_head(struct ly__pump *p, size_t n)
{
    int r = ly_frame_begin(&p->head);
    if (r == 0)
        r = ly_json_put_int(&p->head, "id", p->run->session->id);
    if (r == 0)
        r = ly_json_put_string(&p->head, "stream", p->name);
    return r < 0 ? r : ly_frame_end(&p->head, (int64_t)n);
}

static int send_locked(struct ly__pump *p, size_t n)
{
    int r = ly_mutex_lock(p->run->sending, LY_FOREVER);
    if (r < 0)
        return r;
    r = p->run->session->lost ? -EPIPE : ly_stream_flush(p->run->session->stream);
    if (r == 0)
        r = ly_sendall(p->run->session->sock, p->bytes - p->head.length, p->head.length + n);
    ly_mutex_unlock(p->run->sending);
    return r;
}

/* Send the first n of p->bytes. While pumps are cancelled to end them, a frame that has begun is sent whole.
 */
static int send_frame(struct ly__pump *p, size_t n)
{
    struct ly_scope *shield = NULL;
    int r = make_head(p, n);
    if (r == 0)
        memcpy(p->bytes - p->head.length, ly_buffer_bytes(&p->head), p->head.length);
    if (r == 0 && !p->run->pumping)
        return send_locked(p, n);
    if (r == 0)
        r = ly_scope_open(&shield, &(struct ly_scope_options){.shield = true});
    if (r < 0)
        return r;
    r = send_locked(p, n);
    ly_scope_close(shield);
    return r;
}

/* The bytes have room for their head in front of them, and both together fill whole records of TLS. */
static int make_room(struct ly__pump *p)
{
    if (p->room)
        return 0;
    int r = make_head(p, LY__EXEC_READ);
    p->room = r == 0 ? malloc(HEAD_MAX + LY__EXEC_READ) : NULL;
    if (!p->room)
        return r < 0 ? r : -ENOMEM;
    p->bytes = p->room + HEAD_MAX;
    p->size = LY__EXEC_READ - p->head.length;
    return 0;
}

int ly__pump_rest(struct ly__pump *p)
{
    int left = 0, r = 0;
    int fd = ly_pipe_fileno(p->pipe);
    if (ioctl(fd, FIONREAD, &left) < 0)
        return -errno;
    if (left > 0)
        r = make_room(p);
    while (left > 0 && r == 0 && !p->run->session->lost) {
        ssize_t n = read(fd, p->bytes, (size_t)left < p->size ? (size_t)left : p->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        left -= (int)n;
        r = send_frame(p, (size_t)n);
        ly__session_sent(p->run->session, n);
    }
    return r;
}

/* A command with much to say gets a larger pipe, so that it and the pump take fewer turns. A wish: the system
 * has a limit. */
static void widen(struct ly__pump *p)
{
    p->wide = true;
    fcntl(ly_pipe_fileno(p->pipe), F_SETPIPE_SZ, LY__EXEC_PIPE);
}

static int pump(struct ly__pump *p)
{
    int r = make_room(p);
    while (r == 0) {
        ssize_t n = ly_pipe_read(p->pipe, p->bytes, p->size);
        if (n <= 0)
            return (int)n;
        if ((size_t)n == p->size && !p->wide)
            widen(p);
        r = send_frame(p, (size_t)n);
        ly__session_sent(p->run->session, n);
    }
    return r;
}

/* Shielded, so that a user with a limit waits for this as well, unless the session is lost. */
static int pump_rest(struct ly__pump *p)
{
    struct ly_scope *shield;
    int r = ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "the last output"});
    if (r < 0)
        return r;
    r = ly__pump_rest(p);
    ly_scope_close(shield);
    return r;
}

int ly__exec_pump(void *arg)
{
    struct ly__pump *p = arg;
    int r = pump(p);
    if (r == -ECANCELED && p->run->ended && !p->run->session->lost)
        r = pump_rest(p);
    if (r < 0)
        ly__exec_lose(p->run);
    return r;
}
