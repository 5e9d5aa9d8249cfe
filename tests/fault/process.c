/* SPDX-License-Identifier: MIT */
/* Processes and pipes with each of their calls failing once, in threads and on each reactor: a failure leaves
 * no child, no zombie and no descriptor. */
#include "places.h"

static int feed(struct ly_process *p)
{
    char buf[16];
    size_t got = 0;
    ssize_t n = ly_pipe_writeall(ly_process_stdin(p), "text", 4);
    ly_process_close_stdin(p);
    if (n < 0)
        return (int)n;
    while ((n = ly_pipe_read(ly_process_stdout(p), buf, sizeof buf)) > 0)
        got += (size_t)n;
    return n < 0 ? (int)n : got == 4 ? 0 : -EPROTO;
}

static int run_program(void *arg)
{
    static const char *const argv[] = {"cat", NULL};
    const struct ly_spawn_options o = {.argv = argv,
                                       .in = LY_PIPE,
                                       .out = LY_PIPE,
                                       .err = LY_NULL,
                                       .cwd = "/",
                                       .new_group = true,
                                       .pipe_size = 1 << 16};
    struct ly_process *p;
    int status = 0;
    (void)arg;
    int r = ly_process_spawn(&p, &o);
    if (r < 0)
        return r;
    r = feed(p);
    if (r == 0)
        r = ly_process_wait(p, &status, LY_FOREVER);
    ly_process_free(p);
    return r == 0 && status != 0 ? -EPROTO : r;
}

/* One that does not end by itself: a wait that times out, a signal, and its end. */
static int kill_program(void *arg)
{
    static const char *const argv[] = {"cat", NULL};
    const struct ly_spawn_options o = {
        .argv = argv, .in = LY_PIPE, .out = LY_NULL, .err = LY_TO_OUTPUT, .new_group = true};
    struct ly_process *p;
    int status = 0;
    (void)arg;
    int r = ly_process_spawn(&p, &o);
    if (r < 0)
        return r;
    r = ly_process_wait(p, NULL, 1);
    r = r == -ETIMEDOUT ? 0 : r == 0 ? -EPROTO : r;
    if (r == 0)
        r = ly_process_kill(p, SIGTERM, false);
    if (r == 0)
        r = ly_process_wait(p, &status, LY_FOREVER);
    ly_process_free(p);
    return r == 0 && status != SIGTERM ? -EPROTO : r;
}

/* Freed while it runs: it is killed and waited for. */
static int drop_program(void *arg)
{
    static const char *const argv[] = {"cat", NULL};
    const struct ly_spawn_options o = {.argv = argv, .in = LY_PIPE, .out = LY_NULL, .err = LY_NULL};
    struct ly_process *p;
    (void)arg;
    int r = ly_process_spawn(&p, &o);
    if (r == 0)
        ly_process_free(p);
    return r;
}

static int pipe_through(void *arg)
{
    struct ly_pipe *in = NULL, *out = NULL;
    int ends[2];
    char buf[4];
    (void)arg;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int r = ly_pipe_from_fd(&in, ends[0]);
    if (r < 0)
        close(ends[0]);
    int w = ly_pipe_from_fd(&out, ends[1]);
    if (w < 0)
        close(ends[1]);
    if (r == 0 && w == 0)
        r = ly_pipe_writeall(out, "text", 4);
    if (r == 0 && w == 0)
        r = ly_pipe_wait(in, LY_FOREVER);
    if (r == 0 && w == 0)
        r = (int)ly_pipe_read(in, buf, sizeof buf);
    ly_pipe_close(in);
    ly_pipe_close(out);
    return r < 0 ? r : w;
}

static void a_program_with_pipes_survives_each_failure(void **state)
{
    (void)state;
    sweep_places("program", run_program);
}

static void a_program_that_is_killed_survives_each_failure(void **state)
{
    (void)state;
    sweep_places("killed program", kill_program);
}

static void a_program_that_is_dropped_survives_each_failure(void **state)
{
    (void)state;
    sweep_places("dropped program", drop_program);
}

static void pipes_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("pipes", pipe_through);
}

static void a_program_is_fed_and_read_byte_by_byte(void **state)
{
    static const char *const calls[] = {"read", "write"};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        in_places_with_short(calls[i], run_program, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_with_pipes_survives_each_failure),
        cmocka_unit_test(a_program_that_is_killed_survives_each_failure),
        cmocka_unit_test(a_program_that_is_dropped_survives_each_failure),
        cmocka_unit_test(pipes_survive_each_failure),
        cmocka_unit_test(a_program_is_fed_and_read_byte_by_byte),
    };
    return cmocka_run_group_tests_name("fault/process", tests, NULL, sweep_summary);
}
