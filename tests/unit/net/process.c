/* SPDX-License-Identifier: MIT */
#include "everywhere.h"
#include <fcntl.h>
#include <lanyard/clock.h>
#include <lanyard/process.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Read to the end, as text. */
static int slurp(struct ly_pipe *p, char *buf, size_t cap)
{
    size_t n = 0;
    for (;;) {
        ssize_t r = ly_pipe_read(p, buf + n, cap - 1 - n);
        if (r < 0)
            return (int)r;
        if (r == 0)
            break;
        n += (size_t)r;
    }
    buf[n] = 0;
    return (int)n;
}

/* Run a command with these options; its output into buf, its status from waitpid. */
static int run(const struct ly_spawn_options *o, char *buf, size_t cap, int *ret_status)
{
    struct ly_process *p;
    int r = ly_process_spawn(&p, o);
    if (r < 0)
        return r;
    if (ly_process_stdout(p))
        r = slurp(ly_process_stdout(p), buf, cap);
    int w = ly_process_wait(p, ret_status, LY_FOREVER);
    ly_process_free(p);
    return r < 0 ? r : w;
}

static int the_exit_status_is_passed_on(void *arg)
{
    int status = -1;
    (void)arg;
    NEED_OK(run(&(struct ly_spawn_options){.argv = ARGV("true")}, NULL, 0, &status));
    NEED_INT(status, 0);
    NEED_OK(run(&(struct ly_spawn_options){.argv = ARGV("/bin/sh", "-c", "exit 42")}, NULL, 0, &status));
    NEED(WIFEXITED(status));
    NEED_INT(WEXITSTATUS(status), 42);
    NEED_OK(run(&(struct ly_spawn_options){.argv = ARGV("sh", "-c", "kill -9 $$")}, NULL, 0, &status));
    NEED(WIFSIGNALED(status));
    NEED_INT(WTERMSIG(status), SIGKILL);
    return 0;
}

static int input_and_output_go_through_pipes(void *arg)
{
    struct ly_process *p;
    char out[64], err[64];
    int status;
    const struct ly_spawn_options o = {.argv = ARGV("sh", "-c", "cat; echo wrong >&2; exit 3"),
                                       .in = LY_PIPE,
                                       .out = LY_PIPE,
                                       .err = LY_PIPE,
                                       .pipe_size = 1 << 18};
    (void)arg;
    NEED_OK(ly_process_spawn(&p, &o));
    NEED(fcntl(ly_pipe_fileno(ly_process_stdout(p)), F_GETPIPE_SZ) >= 1 << 18);
    NEED_OK(ly_pipe_writeall(ly_process_stdin(p), "right", 5));
    ly_process_close_stdin(p);
    NEED(ly_process_stdin(p) == NULL);
    NEED_INT(slurp(ly_process_stdout(p), out, sizeof out), 5);
    NEED_INT(slurp(ly_process_stderr(p), err, sizeof err), 6);
    NEED(strcmp(out, "right") == 0 && strcmp(err, "wrong\n") == 0);
    NEED_OK(ly_process_wait(p, &status, LY_FOREVER));
    NEED_INT(WEXITSTATUS(status), 3);
    NEED_OK(ly_process_wait(p, &status, 0)); /* again */
    NEED_INT(ly_process_wait(p, &status, -2), -EINVAL);
    NEED_INT(WEXITSTATUS(status), 3);
    ly_process_free(p);
    return 0;
}

static int much_output_passes_a_slow_pipe_whole(void *arg)
{
    struct ly_process *p;
    char buf[5000];
    long long total = 0;
    ssize_t n;
    (void)arg;
    NEED_OK(ly_process_spawn(
        &p, &(struct ly_spawn_options){.argv = ARGV("head", "-c", "3000000", "/dev/zero"), .out = LY_PIPE}));
    while ((n = ly_pipe_read(ly_process_stdout(p), buf, sizeof buf)) > 0)
        total += n;
    NEED_INT(n, 0);
    NEED_INT(total, 3000000);
    ly_process_free(p);
    return 0;
}

static int standard_error_can_go_where_the_output_goes(void *arg)
{
    char buf[64];
    int status;
    const struct ly_spawn_options o = {
        .argv = ARGV("sh", "-c", "echo a; echo b >&2"), .out = LY_PIPE, .err = LY_TO_OUTPUT};
    (void)arg;
    NEED_OK(run(&o, buf, sizeof buf, &status));
    NEED(strcmp(buf, "a\nb\n") == 0);
    return 0;
}

static int null_reads_as_empty_and_swallows(void *arg)
{
    char buf[64];
    int status;
    struct ly_spawn_options o = {
        .argv = ARGV("sh", "-c", "cat; echo x"), .in = LY_NULL, .out = LY_PIPE, .err = LY_NULL};
    (void)arg;
    NEED_OK(run(&o, buf, sizeof buf, &status));
    NEED(strcmp(buf, "x\n") == 0);
    o.in = LY_TO_OUTPUT;
    NEED_INT(run(&o, buf, sizeof buf, &status), -EINVAL);
    return 0;
}

static int what_cannot_be_started_says_why(void *arg)
{
    int status;
    char path[] = "/tmp/lanyard-not-executable-XXXXXX";
    int fd = mkstemp(path);
    (void)arg;
    NEED(fd >= 0);
    close(fd);
    NEED_INT(run(&(struct ly_spawn_options){.argv = ARGV("no-such-program-xyz")}, NULL, 0, &status), -ENOENT);
    NEED_INT(run(&(struct ly_spawn_options){.argv = ARGV("/no/such/program")}, NULL, 0, &status), -ENOENT);
    NEED_INT(run(&(struct ly_spawn_options){.argv = ARGV(path)}, NULL, 0, &status), -EACCES);
    NEED_INT(run(&(struct ly_spawn_options){.argv = ARGV("")}, NULL, 0, &status), -ENOENT);
    NEED_INT(run(&(struct ly_spawn_options){.argv = ARGV("true"), .cwd = "/no/dir"}, NULL, 0, &status),
             -ENOENT);
    NEED_INT(run(&(struct ly_spawn_options){.argv = ARGV("true"), .cwd = path}, NULL, 0, &status), -ENOTDIR);
    NEED_INT(run(&(struct ly_spawn_options){.argv = (const char *const[]){NULL}}, NULL, 0, &status), -EINVAL);
    unlink(path);
    return 0;
}

static int the_program_is_sought_in_the_childs_path(void *arg)
{
    char directory[] = "/tmp/lanyard-path-XXXXXX", file[64], path[64], buf[64];
    int status;
    static const char script[] = "#!/bin/sh\necho found\n";
    (void)arg;
    NEED(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/lanyard-tool", directory);
    snprintf(path, sizeof path, "PATH=/nowhere:%s", directory);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
    NEED_INT(write(fd, script, sizeof script - 1), sizeof script - 1);
    close(fd);

    struct ly_spawn_options o = {.argv = ARGV("lanyard-tool"), .env = ARGV("A=1", path), .out = LY_PIPE};
    NEED_OK(run(&o, buf, sizeof buf, &status));
    NEED(strcmp(buf, "found\n") == 0);
    o.env = ARGV("PATH=/nowhere::");
    NEED_INT(run(&o, buf, sizeof buf, &status), -ENOENT);
    o.cwd = directory; /* an empty entry of PATH is the child's directory */
    NEED_OK(run(&o, buf, sizeof buf, &status));
    NEED(chmod(file, 0644) == 0);
    NEED_INT(run(&o, buf, sizeof buf, &status), -EACCES);
    unlink(file);
    rmdir(directory);
    return 0;
}

static int the_child_has_the_environment_and_directory_asked_for(void *arg)
{
    char buf[256];
    int status;
    struct ly_spawn_options o = {
        .argv = ARGV("sh", "-c", "echo $X; pwd"), .env = ARGV("X=7", "PATH=/usr/bin:/bin"), .out = LY_PIPE};
    (void)arg;
    o.cwd = "/usr";
    NEED_OK(run(&o, buf, sizeof buf, &status));
    NEED(strcmp(buf, "7\n/usr\n") == 0);
    o.cwd = NULL;
    o.cwd_fd = open("/usr/bin", O_PATH | O_CLOEXEC);
    NEED_OK(run(&o, buf, sizeof buf, &status));
    NEED(strcmp(buf, "7\n/usr/bin\n") == 0);
    close(o.cwd_fd);
    return 0;
}

static int the_child_has_three_descriptors_and_default_signals(void *arg)
{
    char buf[512] = "";
    int status;
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec, on purpose */
    /* 3 is the directory itself, being listed. */
    const struct ly_spawn_options o = {
        .argv = ARGV("sh", "-c", "cd /proc/self/fd && echo *; grep -E 'Sig(Ign|Blk)' /proc/self/status"),
        .in = LY_NULL,
        .out = LY_PIPE,
        .err = LY_NULL};
    (void)arg;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    NEED_OK(run(&o, buf, sizeof buf, &status));
    signal(SIGUSR1, SIG_DFL);
    close(leak);
    NEED(strncmp(buf, "0 1 2", 5) == 0 && (buf[5] == '\n' || strncmp(buf + 5, " 3\n", 3) == 0));
    NEED(strstr(buf, "SigBlk:\t0000000000000000"));
    const char *ignored = strstr(buf, "SigIgn:\t");
    NEED(ignored);
    /* The C library's posix_spawn leaves its own two signals, 32 and 33, ignored. */
    NEED_INT(strtoull(ignored + 8, NULL, 16) & ~(3ULL << 31), 0);
    return 0;
}

/* What the call opens itself (pipes, the directory, the process) gets no standard number, which the child
 * would take over as the parent's. */
static int a_closed_standard_descriptor_stays_closed_in_the_child(void *arg)
{
    char buf[64] = "";
    int status = -1, r = 0;
    struct ly_process *first = NULL;
    static const char script[] =
        "for i in 0 2; do test -L /proc/$$/fd/$i && readlink /proc/$$/fd/$i; done; echo end";
    const struct ly_spawn_options o = {.argv = ARGV("sh", "-c", script), .out = LY_PIPE, .cwd = "/usr"};
    (void)arg;
    NEED_OK(run(&o, buf, sizeof buf, &status)); /* what is opened once only is open then */
    int in = fcntl(0, F_DUPFD_CLOEXEC, 10), err = fcntl(2, F_DUPFD_CLOEXEC, 10);
    NEED(in >= 0 && err >= 0);
    close(0);
    close(2);
    r = ly_process_spawn(&first, &(struct ly_spawn_options){.argv = ARGV("true"), .out = LY_PIPE});
    if (r == 0)
        r = run(&o, buf, sizeof buf, &status);
    ly_process_free(first);
    dup2(in, 0);
    dup2(err, 2);
    close(in);
    close(err);
    NEED_OK(r);
    NEED_INT(status, 0);
    if (strcmp(buf, "end\n") != 0)
        fprintf(stderr, "the child has %s", buf);
    NEED(strcmp(buf, "end\n") == 0);
    return 0;
}

static int waiting_ends_at_the_timeout(void *arg)
{
    struct ly_process *p;
    int status;
    (void)arg;
    NEED_OK(ly_process_spawn(&p, &(struct ly_spawn_options){.argv = ARGV("sleep", "1000")}));
    int64_t start = ly_now();
    NEED_INT(ly_process_wait(p, &status, 0), -ETIMEDOUT);
    NEED_INT(ly_process_wait(p, &status, 20), -ETIMEDOUT);
    NEED(ly_now() - start >= 20 * 1000000);
    NEED_OK(ly_process_kill(p, SIGTERM, false));
    NEED_OK(ly_process_wait(p, &status, LY_FOREVER));
    NEED_INT(WTERMSIG(status), SIGTERM);
    NEED_INT(ly_process_kill(p, SIGTERM, false), -ESRCH);
    ly_process_free(p);
    return 0;
}

static int a_signal_reaches_the_whole_group(void *arg)
{
    struct ly_process *p;
    char buf[64];
    int status;
    const struct ly_spawn_options o = {
        .argv = ARGV("sh", "-c", "sleep 1000 & sleep 1000 & echo up; exec sleep 1000"),
        .out = LY_PIPE,
        .new_group = true};
    (void)arg;
    NEED_OK(ly_process_spawn(&p, &o));
    NEED_INT(ly_pipe_read(ly_process_stdout(p), buf, sizeof buf), 3);
    NEED_INT(getpgid(ly_process_pid(p)), ly_process_pid(p));
    NEED_OK(ly_process_kill(p, SIGTERM, true));
    NEED_INT(slurp(ly_process_stdout(p), buf, sizeof buf), 0); /* all who held the pipe are gone */
    NEED_OK(ly_process_wait(p, &status, LY_FOREVER));
    NEED_INT(WTERMSIG(status), SIGTERM);
    ly_process_free(p);
    return 0;
}

static int those_left_behind_by_the_leader_can_be_ended(void *arg)
{
    struct ly_process *p;
    char buf[64];
    int status;
    const struct ly_spawn_options o = {
        .argv = ARGV("sh", "-c", "sleep 1000 & echo up"), .out = LY_PIPE, .new_group = true};
    (void)arg;
    NEED_OK(ly_process_spawn(&p, &o));
    NEED_OK(ly_process_wait(p, &status, LY_FOREVER));
    NEED_INT(status, 0);
    NEED_OK(ly_process_kill(p, SIGKILL, true));
    NEED_INT(slurp(ly_process_stdout(p), buf, sizeof buf), 3);
    ly_process_free(p);
    return 0;
}

static int freeing_kills_and_reaps(void *arg)
{
    struct ly_process *p;
    char buf[64];
    int keep;
    (void)arg;
    NEED_OK(ly_process_spawn(
        &p, &(struct ly_spawn_options){
                .argv = ARGV("sh", "-c", "sleep 1000 & echo; wait"), .out = LY_PIPE, .new_group = true}));
    NEED_INT(ly_pipe_read(ly_process_stdout(p), buf, sizeof buf), 1);
    keep = fcntl(ly_pipe_fileno(ly_process_stdout(p)), F_DUPFD_CLOEXEC, 3);
    pid_t pid = ly_process_pid(p);
    ly_process_free(p);
    NEED_INT(kill(pid, 0), -1); /* not even a zombie */
    fcntl(keep, F_SETFL, 0);
    NEED_INT(read(keep, buf, 1), 0); /* its child is gone too */
    close(keep);
    return 0;
}

static int wait_for_it(void *arg)
{
    int status = -1;
    int r = ly_process_wait(arg, &status, LY_FOREVER);
    return r < 0 ? r : WEXITSTATUS(status);
}

static int several_tasks_may_wait_for_one_process(void *arg)
{
    struct ly_process *p;
    struct ly_scope *scope;
    struct ly_future *f[3];
    (void)arg;
    NEED_OK(ly_process_spawn(
        &p, &(struct ly_spawn_options){.argv = ARGV("sh", "-c", "read x; exit 5"), .in = LY_PIPE}));
    NEED_OK(ly_scope_open(&scope, NULL));
    for (int i = 0; i < 3; i++)
        NEED_OK(ly_async(scope, &f[i], wait_for_it, p));
    NEED_OK(ly_sleep(0));
    ly_process_close_stdin(p);
    for (int i = 0; i < 3; i++)
        NEED_INT(ly_await(f[i], NULL), 5);
    ly_scope_close(scope);
    ly_process_free(p);
    return 0;
}

static int a_cancelled_wait_ends_and_the_process_can_be_freed(void *arg)
{
    struct ly_process *p;
    struct ly_scope *scope;
    struct ly_future *f;
    (void)arg;
    NEED_OK(ly_process_spawn(&p, &(struct ly_spawn_options){.argv = ARGV("sleep", "1000")}));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_async(scope, &f, wait_for_it, p));
    NEED_OK(ly_sleep(0));
    ly_scope_cancel(scope);
    ly_scope_close(scope);
    NEED_OK(ly_scope_open(&scope, NULL));
    ly_scope_cancel(scope);
    NEED_INT(ly_process_wait(p, NULL, LY_FOREVER), -ECANCELED);
    pid_t pid = ly_process_pid(p);
    ly_process_free(p); /* reaps in spite of the cancellation around it */
    NEED_INT(kill(pid, 0), -1);
    ly_scope_close(scope);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(the_exit_status_is_passed_on),
        BODY(input_and_output_go_through_pipes),
        BODY(much_output_passes_a_slow_pipe_whole),
        BODY(standard_error_can_go_where_the_output_goes),
        BODY(null_reads_as_empty_and_swallows),
        BODY(what_cannot_be_started_says_why),
        BODY(the_program_is_sought_in_the_childs_path),
        BODY(the_child_has_the_environment_and_directory_asked_for),
        BODY(the_child_has_three_descriptors_and_default_signals),
        BODY(a_closed_standard_descriptor_stays_closed_in_the_child),
        BODY(waiting_ends_at_the_timeout),
        BODY(a_signal_reaches_the_whole_group),
        BODY(those_left_behind_by_the_leader_can_be_ended),
        BODY(freeing_kills_and_reaps),
        BODY(several_tasks_may_wait_for_one_process),
        BODY(a_cancelled_wait_ends_and_the_process_can_be_freed),
    };
    return EVERYWHERE("net/process", bodies);
}
