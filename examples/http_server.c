/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server with a handler for each path: http_server [ADDRESS [FOLDER [POLICY]]]
 *
 *     curl http://127.0.0.1:8080/hello?name=Ann     GET parameters, decoded
 *     curl -d name=Ann http://127.0.0.1:8080/hello  POST parameters, decoded
 *     curl -T file http://127.0.0.1:8080/echo       a body of any length comes back as it is read
 *     curl http://127.0.0.1:8080/files/README.md    a file of FOLDER (default: the current one)
 *     curl -u user:secret http://127.0.0.1:8080/private
 *
 * POLICY is fibers, sequential, forking or threading, with the same handlers. Each exchange is a line on
 * standard output. Ends on ^C.
 */
#include <errno.h>
#include <fcntl.h>
#include <lanyard/lanyard.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct ly_server *server;

static int hello(struct ly_http *x)
{
    char name[100] = "world", text[200];
    struct ly_http_text form;
    ssize_t n = ly_http_parameter(x, "name", name, sizeof name);
    if (ly_http_request(x)->method == LY_HTTP_POST) {
        int r = ly_http_read_all(x, 4096, &form);
        if (r < 0)
            return r;
        n = ly_http_form_get(form, "name", name, sizeof name);
    }
    if (n < 0 && n != -ENOENT)
        return 400;
    int length = snprintf(text, sizeof text, "hello, %s\n", name);
    return ly_http_answer(x, 200, "text/plain; charset=utf-8", text, (size_t)length);
}

static int echo(struct ly_http *x)
{
    char buf[16384];
    ssize_t n = ly_http_read(x, buf, sizeof buf); /* a client that waits for 100 Continue gets it here */
    int r = n < 0 ? (int)n : ly_http_begin(x, 200, "application/octet-stream", -1);
    while (r == 0 && n > 0) {
        r = ly_http_write(x, buf, (size_t)n);
        if (r == 0)
            n = ly_http_read(x, buf, sizeof buf);
    }
    return n < 0 ? (int)n : r;
}

/* The path was resolved before it came here: no segment of it is "..". Links are not followed. */
static int file(struct ly_http *x)
{
    const int *folder = ly_http_user(x);
    const char *name = ly_http_rest(x);
    int fd = openat(*folder, *name ? name : ".", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 404;
    int r = ly_http_answer_file(x, 200, NULL, fd);
    close(fd);
    return r == -EISDIR || r == -EINVAL ? 404 : r;
}

/* In a time that tells nothing of where they differ. */
static bool is_text(const char *got, const char *wanted)
{
    size_t n = strlen(wanted);
    return strlen(got) == n && ly_equal_secret(got, wanted, n);
}

static int secret(struct ly_http *x)
{
    char text[200];
    const char *user, *password;
    if (ly_http_credentials(x, text, sizeof text, &user, &password) < 0 || !is_text(user, "user") ||
        !is_text(password, "secret"))
        return ly_http_challenge(x, "example");
    return ly_http_answer(x, 200, "text/plain", "you are in\n", 11);
}

static int broken(struct ly_http *x)
{
    (void)x;
    return -EIO; /* answered by 500, and reported on standard error */
}

static void log_line(const struct ly_http_record *record)
{
    char peer[LY_ADDRESS_TEXT];
    ly_address_format(&record->rq->peer, peer, sizeof peer);
    printf("%s \"%.*s %.*s\" %d %lld\n", peer, (int)record->method.length,
           record->method.bytes ? record->method.bytes : "", (int)record->target.length,
           record->target.bytes ? record->target.bytes : "", record->status, (long long)record->sent);
    fflush(stdout);
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

static int serve(struct ly_server_options *options)
{
    char text[LY_ADDRESS_TEXT];
    struct ly_address address;
    int r = ly_server_open(&server, options);
    if (r < 0)
        return r;
    ly_server_address(server, &address);
    ly_address_format(&address, text, sizeof text);
    fprintf(stderr, "listening on %s\n", text);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    r = ly_serve_forever(server);
    ly_server_close(server);
    return r;
}

int main(int argc, char **argv)
{
    static const struct ly_http_route routes[] = {
        {LY_HTTP_GET | LY_HTTP_POST, "/hello", hello, 0},
        {LY_HTTP_POST | LY_HTTP_PUT, "/echo", echo, INT64_MAX},
        {LY_HTTP_GET, "/files/*", file, 0},
        {LY_HTTP_GET, "/private", secret, 0},
        {LY_HTTP_GET, "/broken", broken, 0},
        {0},
    };
    int folder = open(argc > 2 ? argv[2] : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct ly_http_site site = {.routes = routes, .name = "lanyard", .log = log_line, .user = &folder};
    struct ly_server_options options = {.address = argc > 1 ? argv[1] : "tcp://127.0.0.1:8080",
                                        .policy = policy_of(argc > 3 ? argv[3] : "fibers"),
                                        .handler.handle = ly_http_serve,
                                        .user = &site,
                                        .drain_ms = 1000};
    int r = folder < 0 ? -errno : serve(&options);
    if (r < 0)
        fprintf(stderr, "http_server: %s\n", ly_error_text(r));
    return r < 0;
}
