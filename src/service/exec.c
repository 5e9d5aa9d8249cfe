/* SPDX-License-Identifier: MIT */
/*
 * exec: run a command and stream what it reads and writes.
 *
 * Four fibers serve one command:
 *
 *   the session's own   starts the command, waits for its end, sends the end frame
 *   two pumps           read standard output and standard error and send them, a frame a read
 *   the listener        receives the client's frames: input, and signals
 *
 * The pumps hold a mutex while they send a frame, so that frames stay whole and take turns. Nothing is kept:
 * each pump has one buffer, and while the client does not read, a pump waits in its send, the pipe fills, and
 * the command waits in its write. In the other direction the listener waits in its write to the command.
 *
 * How it ends. The pumps run in a scope that the session's fiber cancels when the command has ended. The
 * cancellation only reaches a pump between two frames, since it sends under a shield; it then sends what the
 * pipe held at that moment and is done. So all that the command itself wrote arrives, while a descendant that
 * keeps the pipe open holds nothing up. A send under a shield is ended from outside by shutting down the
 * socket; the listener does that when the client has gone or the server cancels the session.
 *
 * The process stays a zombie until it is freed, so its group's number means this group as long as we use it.
 *
 * Source: docs/protocol.md, section 4; docs/internals/exec.md.
 */
#include "auth/roles.h"
#include "net/sock.h"
#include "service/exec_command.h"
#include "service/exec_run.h"
#include <errno.h>
#include <lanyard/channel.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <signal.h>
#include <sys/wait.h>

#define GRACE_MS 2000 /* between asking a group to end and making it */
#define SHORT_MS 1    /* commands that end within it are served without pumps */
#define LOOK_MS 50    /* how soon a server that ends at once is noticed */

/* ---- starting ---- */

static int start(struct ly__session *s, const struct ly__command *c, struct ly__child **ret_child)
{
    const struct ly__launch launch = {.argv = c->argv, .env = c->env, .cwd = c->cwd, .input = c->input};
    struct ly__authority *a = s->service->authority;
    char where[LY__LAUNCH_WHERE] = "";
    int r = a->calls->start(a, s->number, &launch, ret_child, where);
    if (r == -ECANCELED)
        return r;
    return r < 0 ? ly__session_error(s, r, *where ? where : NULL) : 1;
}

static int announce(struct ly__session *s, pid_t pid)
{
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "started", true);
    if (r == 0)
        r = ly_json_put_int(&s->out, "pid", pid);
    return r < 0 ? r : ly__session_send(s, 0);
}

/* ---- ending ---- */

static void kill_group(struct ly__run *run, int signal)
{
    run->child->calls->kill(run->child, signal);
}

static int wait_for(struct ly__run *run, int *ret_status, int64_t timeout_ms)
{
    return run->child->calls->wait(run->child, ret_status, timeout_ms);
}

/*
 * Ask the group to end, and make it after a grace. A leader that has ended may have left others behind, who
 * have the same time. Whatever is cancelled, this is done.
 */
static void end_group(struct ly__run *run, int first)
{
    struct ly_scope *shield;
    kill_group(run, first);
    if (ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "ending a command"}) == 0) {
        int64_t until = ly_deadline(GRACE_MS);
        while (ly_now() < until && !atomic_load(&run->session->service->hurry))
            ly_sleep(LOOK_MS);
        ly_scope_close(shield);
    }
    kill_group(run, SIGKILL);
}

/* The time is up: as above, but a group whose leader ends in time is let be. */
static int end_in_time(struct ly__run *run, int *ret_status)
{
    run->timed_out = true;
    kill_group(run, SIGTERM);
    int r = wait_for(run, ret_status, GRACE_MS);
    if (r != -ETIMEDOUT)
        return r;
    kill_group(run, SIGKILL);
    return wait_for(run, ret_status, LY_FOREVER);
}

static int report_end(struct ly__run *run, int status)
{
    struct ly__session *s = run->session;
    s->exit = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    int r = ly__session_begin(s);
    if (r == 0)
        r = WIFSIGNALED(status) ? ly_json_put_int(&s->out, "signal", WTERMSIG(status))
                                : ly_json_put_int(&s->out, "exit", WEXITSTATUS(status));
    if (r == 0 && run->timed_out)
        r = ly_json_put_bool(&s->out, "timeout", true);
    if (r == 0)
        r = ly__session_send(s, 0);
    return r < 0 ? r : ly_stream_flush(s->stream);
}

/* ---- running ---- */

/* Wait for the command's end with the pumps at work. Returns 0, or an error: then the client has gone, or the
 * session is cancelled. */
static int wait_and_pump(struct ly__run *run, int64_t timeout_ms, int *ret_status)
{
    int r = ly_scope_open(&run->pumping, &(struct ly_scope_options){.name = "exec output"});
    if (r < 0)
        return r;
    r = ly_go(run->pumping, ly__exec_pump, &run->out);
    if (r == 0)
        r = ly_go(run->pumping, ly__exec_pump, &run->err);
    if (r == 0)
        r = wait_for(run, ret_status, timeout_ms);
    if (r == -ETIMEDOUT)
        r = end_in_time(run, ret_status);
    if (r < 0)
        ly__exec_lose(run);
    struct ly_scope *pumping = run->pumping;
    run->ended = r == 0;
    ly_scope_close(pumping);
    run->pumping = NULL;
    return run->session->lost ? -EPIPE : r;
}

static int attend(struct ly__run *run, int64_t timeout_ms, int *ret_status)
{
    struct ly_scope *listening;
    int r = ly_scope_open(&listening, &(struct ly_scope_options){.name = "exec input"});
    if (r < 0)
        return r;
    r = ly_go(listening, ly__exec_listen, run);
    if (r == 0)
        r = wait_and_pump(run, timeout_ms, ret_status);
    if (r == 0)
        r = report_end(run, *ret_status);
    run->done = true;
    ly_scope_close(listening);
    return run->failure < 0 ? run->failure : r;
}

/*
 * Most commands are over at once. Then all they wrote is in the pipes, and the whole answer goes out from
 * here, with few calls. Returns 1 if it was so, 0 if not, or an error.
 */
static int finish_short(struct ly__run *run)
{
    int status = 0;
    if (run->child->in || wait_for(run, &status, SHORT_MS) < 0)
        return 0;
    run->ended = true;
    int r = ly__pump_rest(&run->out);
    if (r == 0)
        r = ly__pump_rest(&run->err);
    if (r == 0)
        r = report_end(run, status);
    return r < 0 ? r : 1;
}

static int run_child(struct ly__session *s, struct ly__child *child, int64_t timeout_ms)
{
    struct ly__run run = {.session = s, .child = child};
    int status = 0;
    ly__pump_init(&run.out, &run, child->out, "out");
    ly__pump_init(&run.err, &run, child->err, "err");
    int r = ly_mutex_new(&run.sending, LY_LOCAL);
    if (r == 0)
        r = announce(s, child->pid);
    if (r == 0)
        r = finish_short(&run);
    if (r == 0)
        r = ly_stream_flush(s->stream);
    ly_sock_set_timeout(s->sock, LY_FOREVER);
    if (r == 0)
        r = attend(&run, timeout_ms, &status);
    if (run.failure < 0)
        ly__session_goodbye(s, r);
    if (r < 0 && !run.ended)
        end_group(&run, SIGHUP);
    ly__pump_done(&run.out);
    ly__pump_done(&run.err);
    ly_mutex_free(run.sending);
    return r < 0 ? r : 0;
}

static int run_exec(struct ly__session *s, const struct ly_frame *f)
{
    struct ly__command c;
    struct ly__child *child = NULL;
    int r = ly__command_read(&c, f->header, s->service);
    if (r < 0) {
        ly__command_done(&c);
        return ly__session_error(s, r, NULL);
    }
    r = ly__session_drop_body(s);
    if (r == 0)
        r = start(s, &c, &child);
    int64_t timeout_ms = c.timeout_ms;
    ly__command_done(&c);
    if (r <= 0 || !child)
        return r;
    r = run_child(s, child, timeout_ms);
    child->calls->free(child);
    return r;
}

const struct ly__service_command ly__exec_commands[] = {
    {"exec", LY__EXEC, run_exec},
    {0},
};
