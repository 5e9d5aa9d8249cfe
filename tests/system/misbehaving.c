/* SPDX-License-Identifier: MIT */
/*
 * The program, with a worker that has been taken over: a connection that begins with "!DEED NUMBER\n" instead
 * of TLS has it do that deed, in the task that serves the connection. If it comes back, the peer gets a line
 * with the error's number. All else is the program's own.
 */
#include "cli/command.h"
#include "daemon/asker.h"
#include "daemon/become.h"
#include "daemon/worker.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

struct scene {
    struct ly__asker *asker;
    uint64_t session;
    long number;
};

/* ---- deeds; each returns 0 or -errno ---- */

static int result_of(long r)
{
    return r < 0 ? -errno : 0;
}

static int open_shadow(const struct scene *s)
{
    (void)s;
    return result_of(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static int execute(const struct scene *s)
{
    (void)s;
    return result_of(execl("/bin/true", "true", (char *)NULL));
}

static int connect_out(const struct scene *s)
{
    (void)s;
    return result_of(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int kill_supervisor(const struct scene *s)
{
    (void)s;
    return result_of(kill(getppid(), SIGKILL));
}

static int trace_supervisor(const struct scene *s)
{
    (void)s;
    return result_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

/* Writes where there is nothing: the number is 0. */
static int fault(const struct scene *s)
{
    char *nowhere;
    memcpy(&nowhere, &s->number, sizeof nowhere);
    *(volatile char *)nowhere = 1;
    return 0;
}

static int stop(const struct scene *s)
{
    (void)s;
    abort();
}

/* As if at what is left of the session behind its end. */
static int stop_late(const struct scene *s)
{
    s->asker->authority.calls->end(&s->asker->authority, s->session, 0);
    abort();
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winfinite-recursion"
static int fill_stack(volatile char *above)
{
    volatile char frame[1024];
    frame[0] = *above;
    return fill_stack(frame) + frame[0];
}
#pragma GCC diagnostic pop

static int overflow(const struct scene *s)
{
    volatile char byte = 0;
    (void)s;
    return fill_stack(&byte);
}

__attribute__((format(printf, 2, 3))) static int say(const struct scene *s, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ssize_t r = ly_send(s->asker->channel.sock, text, (size_t)n);
    return r < 0 ? (int)r : 0;
}

static int break_message(const struct scene *s)
{
    return say(s, "{\"do\": \"beg");
}

static int foreign_start(const struct scene *s)
{
    return say(s,
               "{\"ask\":1000,\"do\":\"start\",\"session\":%ld,\"argv\":[\"id\"],\"env\":{},\"stdin\":false}",
               s->number);
}

/* Sessions up to this number, in the name of each: the worker has some of them. */
static int note_all(const struct scene *s)
{
    int r = 0;
    for (long i = 1; i <= s->number && r == 0; i++)
        r = say(
            s,
            "{\"do\":\"note\",\"session\":%ld,\"what\":\"get\",\"object\":\"x\",\"result\":0,\"exit\":-1,\"began\":1}",
            i);
    return r;
}

static int foreign_kill(const struct scene *s)
{
    return say(s, "{\"do\":\"kill\",\"child\":%ld,\"signal\":9}", s->number);
}

static int start_unknown(const struct scene *s)
{
    return say(s,
               "{\"ask\":1000,\"do\":\"start\",\"session\":%lu,\"argv\":[\"id\"],\"env\":{},\"stdin\":false}",
               (unsigned long)s->session);
}

static int give_descriptor(const struct scene *s)
{
    int fd = STDIN_FILENO;
    ssize_t r = ly_send_fds(s->asker->channel.sock, "{\"do\":\"free\",\"child\":1}", 23, &fd, 1);
    return r < 0 ? (int)r : 0;
}

/* A command in the name of each session up to this number: some are other workers'. */
static int steal(const struct scene *s)
{
    int r = 0;
    for (long i = 1; i <= s->number && r == 0; i++)
        r = say(s,
                "{\"ask\":%ld,\"do\":\"start\",\"session\":%ld,\"argv\":[\"id\"],\"env\":{},\"stdin\":false}",
                1000 + i, i);
    return r;
}

static int say_too_much(const struct scene *s)
{
    static char text[LY__CHANNEL_MAX + 1];
    memset(text, ' ', sizeof text);
    memcpy(text, "{}", 2);
    ssize_t r = ly_send(s->asker->channel.sock, text, sizeof text);
    return r < 0 ? (int)r : 0;
}

/* Bytes without a meaning, the same in each run. */
static int say_nonsense(const struct scene *s)
{
    char text[4096];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof text; i++) {
        state = state * 1664525 + 1013904223;
        text[i] = (char)(state >> 24);
    }
    ssize_t r = ly_send(s->asker->channel.sock, text, sizeof text);
    return r < 0 ? (int)r : 0;
}

/* What may be said, without an end. */
static int flood(const struct scene *s)
{
    int r = 0;
    while (r == 0)
        r = say(s, "{\"do\":\"fault\",\"session\":%lu}", (unsigned long)s->session);
    return r;
}

static int hang_up(const struct scene *s)
{
    return ly_shutdown(s->asker->channel.sock, SHUT_RDWR);
}

static int write_log(const struct scene *s)
{
    static const char line[] = "\033[2Jlevel=error msg=\"a line that the server has not written\"\n";
    (void)s;
    return result_of(write(STDERR_FILENO, line, sizeof line - 1));
}

/* ---- keys: the worker keeps what the last client with one has proved ---- */

static struct ly__tls_proof seen;
static struct ly__authority_calls own; /* with a begin that looks */
static const struct ly__authority_calls *real;

static int look_and_begin(struct ly__authority *a, const struct ly__origin *o, uint64_t *number,
                          struct ly__grant *ret_grant)
{
    if (o->proof) {
        ly__tls_proof_done(&seen);
        seen = *o->proof;
        ly_buffer_init(&seen.messages, LY__TLS_PROOF_MAX);
        if (ly_buffer_append(&seen.messages, ly_buffer_bytes(&o->proof->messages),
                             o->proof->messages.length) < 0)
            abort();
    }
    return real->begin(a, o, number, ret_grant);
}

static void look(struct ly__asker *asker)
{
    if (real)
        return;
    ly__tls_proof_init(&seen);
    real = asker->authority.calls;
    own = *real;
    own.begin = look_and_begin;
    asker->authority.calls = &own;
}

static int claim(const struct scene *s, const struct ly__tls_proof *proof)
{
    const struct ly__origin o = {.is_bound = true, .proof = proof};
    struct ly__grant grant;
    uint64_t number = s->session;
    return real->begin(&s->asker->authority, &o, &number, &grant);
}

static int claim_key(const struct scene *s)
{
    struct ly__tls_proof bare = seen;
    if (seen.key_length == 0)
        return -ENOENT;
    ly_buffer_init(&bare.messages, 1);
    return claim(s, &bare);
}

static int replay_proof(const struct scene *s)
{
    return seen.key_length > 0 ? claim(s, &seen) : -ENOENT;
}

static const struct {
    const char *name;
    int (*run)(const struct scene *s);
} deeds[] = {
    {"shadow", open_shadow},   {"exec", execute},           {"connect", connect_out},
    {"kill", kill_supervisor}, {"trace", trace_supervisor}, {"fault", fault},
    {"abort", stop},           {"overflow", overflow},      {"broken", break_message},
    {"start", foreign_start},  {"killed", foreign_kill},    {"unknown", start_unknown},
    {"gift", give_descriptor}, {"log", write_log},          {"note", note_all},
    {"steal", steal},          {"large", say_too_much},     {"nonsense", say_nonsense},
    {"flood", flood},          {"close", hang_up},          {"claim", claim_key},
    {"replay", replay_proof},  {"late", stop_late},
};

/* ---- the scene ---- */

static void act(const struct scene *s, struct ly_sock *sock, const char *name)
{
    char line[32];
    int r = -EINVAL;
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        if (strcmp(deeds[i].name, name) == 0)
            r = deeds[i].run(s);
    }
    int n = snprintf(line, sizeof line, "%d\n", -r);
    (void)ly_sendall(sock, line, (size_t)n);
}

static void meet(struct ly__asker *asker, struct ly_sock *sock, uint64_t session)
{
    char text[64] = "", *end;
    struct scene s = {asker, session, 0};
    struct iovec piece = {.iov_base = text, .iov_len = sizeof text - 1};
    struct ly_sock_message m = {.iov = &piece, .iov_count = 1};
    look(asker);
    if (ly_recvmsg(sock, &m, MSG_PEEK) <= 0 || text[0] != '!' || !(end = strchr(text, ' ')))
        return;
    *end = 0;
    s.number = strtol(end + 1, &end, 10);
    act(&s, sock, text + 1);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], LY__WORKER_ARGUMENT) == 0)
        return ly__worker(meet);
    if (argc > 2 && strcmp(argv[1], LY__BECOME_ARGUMENT) == 0)
        return ly__become(argc - 1, argv + 1);
    return argc > 1 && strcmp(argv[1], "serve") == 0 ? ly__cli_serve(argc - 1, argv + 1) : 2;
}
