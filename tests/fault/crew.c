/* SPDX-License-Identifier: MIT */
/*
 * The supervisor of the workers, with a real worker: it starts, a client's connection is handed over and
 * answered, it ends. Each call of the supervisor fails once, then calls of the worker. The client is a
 * process of its own that no fault meets. Whatever fails, nobody waits for ever, nothing is left open, and
 * the next client is served.
 */
#include "daemon/crew.h"
#include "../certificates.h"
#include "auth/store.h"
#include "daemon/worker.h"
#include "sweep.h"
#include <lanyard/tls.h>
#include <poll.h>
#include <sys/eventfd.h>

#define CLIENT_MS 8000
#define SAMPLES 35 /* of the calls of either kind, at even distances */

static struct certificate own;
static struct ly__store *store;
static struct ly__admission *admission;
static struct ly__penalties *penalties;
static struct ly__failures *failures;
static char folder[] = "/tmp/lanyard-fault-crew-XXXXXX";
static int root_fd = -1;

/* ---- the client ---- */

static int ask_client[2], tell_client[2]; /* a port; what came of it */

static const char ping[] = "\x18\0\0\0{\"cmd\": \"ping\", \"id\": 1}";

static int ask_server(struct ly_sock *plain, struct ly_tls *tls)
{
    struct ly_sock *s;
    char answer[512];
    int r = ly_tls_wrap(&s, plain, tls, NULL);
    if (r < 0) {
        ly_sock_free(plain);
        return r;
    }
    r = ly_sendall(s, ping, sizeof ping - 1);
    ssize_t n = r < 0 ? r : ly_recvall(s, answer, 40);
    answer[n > 0 ? n : 0] = 0;
    ly_sock_free(s);
    return n < 0 ? (int)n : n > 4 && strstr(answer + 4, "LY_ELOGIN") ? 0 : -EBADMSG;
}

static void be_client(void)
{
    uint16_t port;
    struct ly_tls *tls;
    if (ly_tls_open(&tls, &(struct ly_tls_options){.verify = LY_TLS_VERIFY_NONE}) < 0)
        _exit(1);
    while (read(ask_client[0], &port, sizeof port) == sizeof port) {
        char address[64];
        struct ly_sock *s;
        snprintf(address, sizeof address, "tcp://127.0.0.1:%u", port);
        int r = ly_connect(&s, address, &(struct ly_connect_options){.timeout_ms = CLIENT_MS});
        if (r == 0) {
            ly_sock_set_timeout(s, CLIENT_MS);
            r = ask_server(s, tls);
        }
        if (write(tell_client[1], &r, sizeof r) != sizeof r)
            break;
    }
    _exit(0);
}

/* Nobody's child, so that the sweep sees those of the supervisor alone. */
static int start_client(void)
{
    int status;
    if (pipe2(ask_client, O_CLOEXEC) < 0 || pipe2(tell_client, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(ask_client[1]);
        close(tell_client[0]);
        if (fork() == 0)
            be_client();
        _exit(0);
    }
    close(ask_client[0]);
    close(tell_client[1]);
    return waitpid(pid, &status, 0) == pid ? 0 : -1;
}

/* ---- the supervisor ---- */

static struct ly__decider decider;
static unsigned starts; /* of the worker, in the last run */

static int listen_for(struct ly__crew *c, uint16_t *ret_port)
{
    struct ly_sock *s;
    struct ly_address bound;
    int r = ly_listen(&s, "tcp://127.0.0.1:0", NULL);
    if (r < 0)
        return r;
    r = ly_sock_local(s, &bound);
    if (r == 0) {
        *ret_port = (uint16_t)ly_address_port(&bound);
        r = ly__crew_listen(c, s, false);
    }
    if (r < 0)
        ly_sock_free(s);
    return r;
}

/* What the client has come to; the crew may end before that. */
static void wait_for_either(int ended)
{
    struct pollfd fds[] = {{.fd = ended, .events = POLLIN}, {.fd = tell_client[0], .events = POLLIN}};
    while (poll(fds, 2, -1) < 0)
        ;
}

static int be_asked(struct ly__crew *c, int ended, uint16_t port, int clients)
{
    int told = 0, r = ly__crew_start(c, ended);
    if (r < 0)
        return r;
    for (int i = 0; i < clients; i++) {
        while (write(ask_client[1], &port, sizeof port) != sizeof port)
            ;
        wait_for_either(ended);
        if (i == clients - 1)
            break;
        while (read(tell_client[0], &told, sizeof told) != sizeof told)
            ;
    }
    struct ly__crew_view v;
    if (ly__crew_view(c, 0, &v))
        starts = v.starts;
    ly__crew_stop(c, true);
    return 1;
}

static int serve(int clients)
{
    struct ly__crew c;
    uint16_t port = 0;
    int told = 0, ended = eventfd(0, EFD_CLOEXEC);
    if (ended < 0)
        return -errno;
    int r = ly__crew_open(&c, &decider, admission, 1);
    if (r == 0) {
        c.setup = (struct ly__setup){
            .root_fd = root_fd, .uid = geteuid(), .gid = getegid(), .log_level = LY_LOG_ERROR};
        snprintf(c.setup.key, sizeof c.setup.key, "%s", own.key);
        snprintf(c.setup.certificate, sizeof c.setup.certificate, "%s", own.pem);
        r = listen_for(&c, &port);
        if (r == 0)
            r = be_asked(&c, ended, port, clients);
        int e = ly__crew_close(&c); /* with the listener, so that no client waits there */
        if (r == 1) {
            while (read(tell_client[0], &told, sizeof told) != sizeof told)
                ;
            SWEEP_EXPECT(told != -ETIMEDOUT); /* whom nobody can serve is not kept waiting */
            r = e < 0 ? e : told;
        }
    }
    close(ended);
    SWEEP_EXPECT(ly__sessions_count(&decider.sessions) == 0);
    return r;
}

static int serve_one(void *arg)
{
    (void)arg;
    return serve(1);
}

static void sample(const char *call)
{
    SWEEP_EXPECT(serve_one(NULL) == 0);
    ly_fault_arm(call, (unsigned long)-1, 0);
    SWEEP_EXPECT(serve_one(NULL) == 0);
    unsigned long most = ly_fault_count(call);
    ly_fault_disarm();
    for (unsigned long i = 0; i < SAMPLES; i++)
        sweep_run(serve_one, NULL, call, 1 + i * most / SAMPLES, 0);
    SWEEP_EXPECT(serve_one(NULL) == 0);
}

static void a_supervisor_survives_allocations_that_fail(void **state)
{
    (void)state;
    sweep_now.scenario = "a supervisor";
    sample("any-alloc");
}

static void a_supervisor_survives_system_calls_that_fail(void **state)
{
    (void)state;
    sweep_now.scenario = "a supervisor";
    sample("any-syscall");
    for (unsigned long nth = 1; nth < 6; nth++) /* settings, a connection that is handed over, answers */
        SWEEP_EXPECT(sweep_run(serve_one, NULL, "sendmsg", nth, EPIPE) || nth > 3);
    SWEEP_EXPECT(serve_one(NULL) == 0);
}

/* ---- the worker ---- */

/* The first worker that starts finds the order here, and takes it away. */
static void leave_order(const char *call, unsigned long nth)
{
    char path[64];
    snprintf(path, sizeof path, "%s/order", folder);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "%s %lu\n", call, nth);
    fclose(f);
}

static int be_worker(void)
{
    char line[64];
    FILE *f = fopen("order", "re"); /* the test stands in its folder */
    if (f) {
        const char *got = fgets(line, sizeof line, f);
        fclose(f);
        unlink("order");
        char *nth = got ? strchr(line, ' ') : NULL;
        if (nth) {
            *nth++ = 0;
            ly_fault_arm(line, strtoul(nth, NULL, 10), 0);
        }
    }
    return ly__worker(NULL);
}

/* Each is replaced once at most, and the last of three clients is served, whoever was not before. Returns how
 * many did not live through it. */
static unsigned fail_worker(const char *call, unsigned long first, unsigned long last, unsigned long step)
{
    unsigned ends = 0;
    for (unsigned long nth = first; nth <= last; nth += step) {
        sweep_now.call = call;
        sweep_now.nth = nth;
        alarm(SWEEP_SECONDS);
        leave_order(call, nth);
        SWEEP_EXPECT(serve(3) == 0);
        SWEEP_EXPECT(starts == 1 || starts == 2);
        alarm(0);
        ends += starts > 1;
    }
    return ends;
}

static void a_worker_that_cannot_start_or_go_on_is_replaced(void **state)
{
    (void)state;
    sweep_now.scenario = "a worker";
    assert_true(fail_worker("any-alloc", 1, 12, 1) > 5);
    fail_worker("any-alloc", 13, 130, 9);
    assert_true(fail_worker("any-syscall", 1, 25, 2) > 3);
    fail_worker("any-syscall", 26, 60, 4);
}

/* ---- all of it ---- */

static int begin(void **state)
{
    (void)state;
    signal(SIGALRM, sweep_hangs);
    signal(SIGPIPE, SIG_IGN);
    ly_log_setup(&(struct ly_log_options){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC)});
    certificate_make(&own, "DNS:localhost", NULL, 30);
    if (start_client() < 0 || !mkdtemp(folder) || chdir(folder) < 0)
        return -1;
    root_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = ly__store_open(&store, folder, &(struct ly__store_options){.make = true, .iterations = 4096});
    if (r == 0)
        r = ly__failures_new(&failures);
    if (r == 0)
        r = ly__penalties_new(&penalties, &(struct ly__penalty_options){0});
    if (r == 0)
        r = ly__admission_new(&admission, &(struct ly__admission_options){0});
    decider = (struct ly__decider){.root_fd = -1,
                                   .root = "/",
                                   .home = "/",
                                   .store = store,
                                   .failures = failures,
                                   .penalties = penalties,
                                   .admission = admission};
    ly__decider_open(&decider);
    return r;
}

static int end(void **state)
{
    static const char *const names[] = {"users.db", "users.db-wal", "users.db-shm", "order"};
    ly__decider_close(&decider);
    ly__admission_free(admission);
    ly__penalties_free(penalties);
    ly__failures_free(failures);
    ly__store_close(store);
    certificate_free(&own);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
    close(root_fd);
    return chdir("/") == 0 && rmdir(folder) == 0 ? sweep_summary(state) : -1;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], LY__WORKER_ARGUMENT) == 0)
        return be_worker();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_supervisor_survives_allocations_that_fail),
        cmocka_unit_test(a_supervisor_survives_system_calls_that_fail),
        cmocka_unit_test(a_worker_that_cannot_start_or_go_on_is_replaced),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
