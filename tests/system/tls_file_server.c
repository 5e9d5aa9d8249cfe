/* SPDX-License-Identifier: MIT */
/*
 * Sends a file to whoever connects by TLS, and ends the connection. usage: tls_file_server FILE
 * kernel|process Prints its port, and goes on until it is ended. What makes the records is the second
 * argument, where there is a choice.
 */
#include "../certificates.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <lanyard/socket.h>
#include <lanyard/tls.h>
#include <string.h>

struct setting {
    const char *path;
    bool no_kernel;
};

static int send_to(struct ly_sock *s, int fd)
{
    int64_t sent = ly_sendfile(s, fd, 0, 0);
    int r = sent < 0 ? (int)sent : ly_shutdown(s, SHUT_WR);
    char c;
    while (r == 0 && ly_recv(s, &c, 1) > 0) /* until the client has it */
        ;
    return r;
}

static int serve(struct ly_sock *listener, int fd)
{
    struct ly_sock *s;
    int r;
    while ((r = ly_accept(listener, &s, NULL)) == 0) {
        int sent = send_to(s, fd);
        if (sent < 0)
            fprintf(stderr, "%s\n", ly_error_text(sent));
        ly_sock_free(s);
    }
    return r;
}

static int run(void *arg)
{
    const struct setting *setting = arg;
    struct certificate own;
    struct ly_tls *tls;
    struct ly_sock *listener = NULL;
    struct ly_address at;
    char text[LY_ADDRESS_TEXT];
    int fd = open(setting->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    certificate_make(&own, "DNS:localhost,IP:127.0.0.1", NULL, 1);
    int r = ly_tls_open(
        &tls, &(struct ly_tls_options){
                  .server = true, .certificate = own.pem, .key = own.key, .no_kernel = setting->no_kernel});
    if (r == 0)
        r = ly_listen(&listener, "tls://127.0.0.1:0", &(struct ly_listen_options){.tls = tls});
    if (r == 0)
        r = ly_sock_local(listener, &at);
    if (r < 0)
        return r;
    ly_address_format(&at, text, sizeof text);
    printf("%s\n", strrchr(text, ':') + 1);
    fflush(stdout);
    return serve(listener, fd);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct setting setting = {argv[1], strcmp(argv[2], "process") == 0};
    int r = ly_run(run, &setting, NULL);
    fprintf(stderr, "tls_file_server: %s\n", ly_error_text(r));
    return 1;
}
