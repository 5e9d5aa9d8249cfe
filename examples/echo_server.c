/* SPDX-License-Identifier: MIT */
/*
 * An echo server: echo_server [ADDRESS [POLICY]], such as tcp://127.0.0.1:8080 or unix:echo.sock; fibers,
 * sequential, forking or threading, with the same handler. Ends on ^C; open connections get a second more.
 */
#include <lanyard/lanyard.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct ly_server *server;
static int echo(struct ly_request *rq)
{
    char buf[1024];
    ssize_t n;
    while ((n = ly_recv(rq->sock, buf, sizeof buf)) > 0) {
        int r = ly_sendall(rq->sock, buf, (size_t)n);
        if (r < 0)
            return r; /* reaches the error hook */
    }
    return (int)n;
}

static void stop(__attribute__((unused)) int signal_number)
{
    ly_server_request_shutdown(server);
}

static enum ly_policy policy_of(const char *name)
{
    static const char *const names[] = {"fibers", "sequential", "forking", "threading"};
    int i = 0;
    while (i < 3 && strcmp(name, names[i]) != 0)
        i++;
    return (enum ly_policy)i;
}

int main(int argc, char **argv)
{
    struct ly_address address;
    char text[LY_ADDRESS_TEXT];
    int r = ly_server_open(&server, &(struct ly_server_options){
                                        .address = argc > 1 ? argv[1] : "tcp://127.0.0.1:8080",
                                        .policy = policy_of(argc > 2 ? argv[2] : "fibers"),
                                        .handler.handle = echo,
                                        .drain_ms = 1000,
                                    });
    if (r == 0) {
        ly_server_address(server, &address);
        ly_address_format(&address, text, sizeof text);
        printf("listening on %s\n", text);
        fflush(stdout);
        signal(SIGINT, stop);
        r = ly_serve_forever(server);
        ly_server_close(server);
    }
    if (r < 0)
        fprintf(stderr, "echo_server: %s\n", ly_error_text(r));
    return r < 0;
}
