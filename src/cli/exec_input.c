/* SPDX-License-Identifier: MIT */
/* What goes to a remote command: our standard input and our signals. */
#include "cli/command.h"
#include "cli/exec_remote.h"
#include <errno.h>
#include <lanyard/frame.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define READ (64 << 10)

/* ---- input ---- */

static int begin(struct ly_buffer *head)
{
    int r = ly_frame_begin(head);
    if (r == 0)
        r = ly_json_put_int(head, "id", 1);
    return r;
}

static int send_input(struct ly__remote *r, struct ly_buffer *head, const char *bytes, size_t n)
{
    int e = begin(head);
    if (e == 0)
        e = ly_json_put_string(head, "stream", "in");
    if (e == 0 && n == 0)
        e = ly_json_put_bool(head, "end", true);
    if (e == 0)
        e = ly_frame_end(head, (int64_t)n);
    return e < 0 ? e : ly__remote_send(r, head, bytes, n);
}

static int feed(struct ly__remote *r, struct ly_pipe *input, char *bytes)
{
    struct ly_buffer head;
    ssize_t n = 1;
    ly_buffer_init(&head, 256);
    while (n > 0) {
        n = ly_pipe_read(input, bytes, READ);
        if (n < 0 && n != -ECANCELED)
            ly__cli_say("exec", "cannot read standard input: %s", ly_error_text((int)n));
        if (n == -ECANCELED)
            break;
        int e = send_input(r, &head, bytes, n > 0 ? (size_t)n : 0);
        if (e < 0)
            break; /* the receiving fiber sees the end of the connection, too */
    }
    ly_buffer_done(&head);
    return 0;
}

int ly__remote_feed(void *arg)
{
    struct ly__remote *r = arg;
    struct ly_pipe *input = NULL;
    char *bytes = malloc(READ);
    ly__client_be_patient(&r->client);
    int e = bytes ? ly_pipe_from_fd(&input, STDIN_FILENO) : -ENOMEM;
    if (e == 0)
        e = feed(r, input, bytes);
    else
        ly__cli_say("exec", "cannot read standard input: %s", ly_error_text(e));
    ly_pipe_close(input);
    free(bytes);
    return e;
}

/* ---- signals ---- */

static int send_signal(struct ly__remote *r, int signal)
{
    struct ly_buffer head;
    ly_buffer_init(&head, 256);
    int e = begin(&head);
    if (e == 0)
        e = ly_json_put_int(&head, "kill", signal);
    if (e == 0)
        e = ly_frame_end(&head, 0);
    if (e == 0)
        e = ly__remote_send(r, &head, NULL, 0);
    ly_buffer_done(&head);
    return e;
}

/*
 * The first signal goes to the command, which may take its time; the second ends us at once, and the closed
 * connection the command. A terminal that is gone (SIGHUP) does so at once.
 */
static int pass(struct ly__remote *r, struct ly_pipe *signals)
{
    struct signalfd_siginfo info;
    int e = 0;
    while (e == 0 && ly_pipe_read(signals, &info, sizeof info) == sizeof info) {
        int signal = (int)info.ssi_signo;
        if (r->interrupts++ > 0 || signal == SIGHUP)
            _exit(128 + signal);
        e = send_signal(r, signal);
    }
    return e;
}

int ly__remote_pass_signals(void *arg)
{
    struct ly__remote *r = arg;
    struct ly_pipe *signals;
    int fd = signalfd(-1, &r->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    int e = ly_pipe_from_fd(&signals, fd);
    if (e < 0) {
        close(fd);
        return e;
    }
    e = pass(r, signals);
    ly_pipe_close(signals);
    return e;
}
