/* SPDX-License-Identifier: MIT */
/*
 * A file of settings with each call failing once: it is read whole, or the error is told; a server that reads
 * it again has all of the old limits of its commands or the new ones, and takes the new ones the next time.
 */
#include "daemon/reload.h"
#include "sweep.h"
#include <sys/stat.h>

static char path[64];
static struct ly__config started;
static struct ly__network network = {.wanted = true};
static struct ly__decider decider;
static int mistakes;

static void tell(void *arg, const char *where, const char *what)
{
    (void)arg;
    mistakes += *where && *what;
}

static const struct ly__config_sink sink = {.tell = tell};

static void write_file(const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static int load(void *arg)
{
    static struct ly__config c;
    static struct ly__serve_options o;
    (void)arg;
    c = (struct ly__config){.named = path};
    mistakes = 0;
    int r = ly__config_load(&c, &c, &sink);
    ly__config_apply(&c, &o);
    SWEEP_EXPECT((r < 0) == (mistakes > 0));
    SWEEP_EXPECT(r < 0 || (o.workers == 3 && o.nexempts == 1));
    ly__config_done(&c);
    return r;
}

static void a_file_is_read_whole_or_the_error_is_told(void **state)
{
    (void)state;
    write_file("workers = 3\nexempt = 192.0.2.0/24\n");
    sweep("load", load, NULL);
}

static int reload(void *arg)
{
    char changed[256];
    struct ly__reload r = {
        .started = &started, .decider = &decider, .network = &network, .log.fd = *(int *)arg};
    atomic_store(&decider.commands.most, 1);
    int e = ly__reload(&r, changed, sizeof changed);
    SWEEP_EXPECT(decider.commands.most == (e < 0 ? 1 : 7));
    SWEEP_EXPECT((r.now != NULL) == (e == 0));
    ly__reload_done(&r);
    return e;
}

static void a_server_has_the_old_limits_or_the_new(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ly_log_setup(&(struct ly_log_options){.fd = fd});
    write_file("max-commands = 1\n");
    started.named = path;
    assert_int_equal(ly__config_load(&started, &started, &sink), 0);
    assert_int_equal(ly__penalties_new(&network.penalties, &(struct ly__penalty_options){.sources = 64}), 0);
    assert_int_equal(ly__admission_new(&network.admission, &(struct ly__admission_options){.full = 20}), 0);
    write_file("max-commands = 7\nmax-startups = 20:30:200\nexempt = 192.0.2.0/24\nworkers = 2\n");
    sweep("reload", reload, &fd);
    ly__admission_free(network.admission);
    ly__penalties_free(network.penalties);
    ly__config_done(&started);
    (void)close(fd);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/lanyard-fault-config-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_whole_or_the_error_is_told),
        cmocka_unit_test(a_server_has_the_old_limits_or_the_new),
    };
    signal(SIGALRM, sweep_hangs);
    return cmocka_run_group_tests(tests, setup, teardown);
}
