/* SPDX-License-Identifier: MIT */
/*
 * load-tls ADDRESS full|resumed WARM_MS WINDOW_MS SERVER_PID
 *
 * Short TLS 1.3 connections one after the other: the handshake, a short HTTP request, its answer up to the
 * end. "resumed": each goes on with the session of the first, by its ticket. Prints how many there were, and
 * the processor time that the server's process spent on them.
 */
#include "../common/net.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PER_SOURCE = 4000, SOURCES = 200 };

static const char request[] = "GET / HTTP/1.0\r\n\r\n";
static SSL_SESSION *session; /* the latest ticket's */
static const char *address;

static int keep_session(SSL *ssl, SSL_SESSION *got)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = got;
    return 1; /* taken */
}

static SSL_CTX *open_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION))
        die("SSL_CTX_new");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    return context;
}

/* A connection to its end. */
static void visit(SSL_CTX *context, uint64_t count, bool resume)
{
    char answer[1024];
    int n, total = 0, fd = connect_to(address, 1 + (unsigned)(count / PER_SOURCE % SOURCES));
    SSL *ssl = SSL_new(context);
    errno = 0;
    if (!ssl || !SSL_set_fd(ssl, fd) || (resume && !SSL_set_session(ssl, session)))
        die("SSL_new");
    if (SSL_connect(ssl) != 1 || SSL_write(ssl, request, sizeof request - 1) <= 0)
        die("the handshake failed");
    if ((bool)SSL_session_reused(ssl) != resume)
        die(resume ? "the session was not resumed" : "a session was resumed");
    while ((n = SSL_read(ssl, answer, sizeof answer)) > 0)
        total += n;
    if (total == 0)
        die("no answer");
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

int main(int argc, char **argv)
{
    errno = 0;
    if (argc != 6)
        die("usage: load-tls ADDRESS full|resumed WARM_MS WINDOW_MS SERVER_PID");
    address = argv[1];
    bool resume = strcmp(argv[2], "resumed") == 0;
    uint64_t warm = number(argv[3]) * 1000000, window = number(argv[4]) * 1000000, count = 0;
    pid_t server = (pid_t)number(argv[5]);
    SSL_CTX *context = open_context();
    visit(context, count++, false);
    if (resume && !session)
        die("no ticket has come");
    for (uint64_t end = now_ns() + warm; now_ns() < end;)
        visit(context, count++, resume);
    uint64_t before = count, cpu = process_cpu_ns(server), start = now_ns();
    while (now_ns() < start + window)
        visit(context, count++, resume);
    printf("handshakes=%llu seconds=%.6f server_cpu=%.6f\n", (unsigned long long)(count - before),
           (double)(now_ns() - start) / 1e9, (double)(process_cpu_ns(server) - cpu) / 1e9);
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
    return 0;
}
