/* SPDX-License-Identifier: MIT */
#include "cli/password.h"
#include "cli/command.h"
#include "cli/prompt.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEY_STDIN = 0x2000, KEY_FILE };

static const struct argp_option options[] = {
    {"password-stdin", KEY_STDIN, NULL, 0, "Read the password from standard input, one line", 2},
    {"password-file", KEY_FILE, "FILE", 0, "Read the password from FILE, its first line", 2},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ly__password_source *s = state->input;
    if (key == KEY_STDIN)
        s->from_stdin = true;
    else if (key == KEY_FILE)
        s->file = arg;
    else
        return ARGP_ERR_UNKNOWN;
    if (s->from_stdin && s->file)
        argp_error(state, "--password-stdin and --password-file exclude each other");
    return 0;
}

const struct argp ly__password_argp = {.options = options, .parser = parse};

/* The first line of a descriptor, without its end. Returns its length, LY_ETOOBIG, LY_EEOF (there is none) or
 * an error. */
static int read_line(int fd, char ret[LY__PASSWORD_SIZE])
{
    size_t length = 0;
    char *end = NULL;
    while (!end && length < LY__PASSWORD_SIZE - 1) {
        ssize_t n = read(fd, ret + length, LY__PASSWORD_SIZE - 1 - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        end = memchr(ret + length, '\n', (size_t)n);
        length += (size_t)n;
    }
    if (length == 0)
        return LY_EEOF;
    size_t line = end ? (size_t)(end - ret) : length;
    if (line > 0 && ret[line - 1] == '\r')
        line--;
    if (line > LY__PASSWORD_MAX)
        return LY_ETOOBIG;
    explicit_bzero(ret + line, LY__PASSWORD_SIZE - line); /* what stands behind it, and its end */
    return memchr(ret, '\0', line) ? LY_EDECODE : (int)line;
}

static int read_file(const char *file, char ret[LY__PASSWORD_SIZE])
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = read_line(fd, ret);
    close(fd);
    return r;
}

static int ask_twice(const char *command, const char *user, char ret[LY__PASSWORD_SIZE])
{
    char question[256], again[LY__PASSWORD_SIZE];
    snprintf(question, sizeof question, "New password of %s: ", user);
    int r = ly__prompt_secret(question, ret, LY__PASSWORD_SIZE);
    if (r < 0)
        return r;
    int s = ly__prompt_secret("The same once more: ", again, sizeof again);
    if (s >= 0 && strcmp(ret, again) != 0) {
        ly__cli_say(command, "the two passwords differ; nothing was changed");
        r = -ECANCELED;
    }
    explicit_bzero(again, sizeof again);
    return s < 0 ? s : r;
}

static void say_failure(const char *command, const char *from, int r)
{
    if (r == -ENXIO)
        ly__cli_say(command,
                    "there is no terminal to ask for the password; use --password-stdin or --password-file");
    else if (r == LY_ETOOBIG)
        ly__cli_say(command, "the password from %s has more than %d bytes", from, LY__PASSWORD_MAX);
    else if (r == LY_EEOF)
        ly__cli_say(command, "there is no password in %s", from);
    else if (r == LY_EDECODE)
        ly__cli_say(command, "the password from %s has a zero byte", from);
    else if (r != -ECANCELED)
        ly__cli_say(command, "cannot read the password from %s: %s", from, ly_error_text(r));
}

/* Whether it may be set; says why not. */
static bool check(const char *command, const char *password)
{
    int n = ly__scram_password_length(password);
    if (n == LY_EDECODE)
        ly__cli_say(command, "the password is not UTF-8 text, or has a control character in it");
    else if (n == LY_ETOOBIG)
        ly__cli_say(command, "a password has at most %d bytes", LY__PASSWORD_MAX);
    else if (n == -EINVAL || (n >= 0 && n < LY__PASSWORD_MIN))
        ly__cli_say(command, "a password has at least %d characters", LY__PASSWORD_MIN);
    else if (n < 0)
        ly__cli_say(command, "cannot use the password: %s", ly_error_text(n));
    return n >= LY__PASSWORD_MIN;
}

int ly__password_choose(const struct ly__password_source *source, const char *command, const char *user,
                        char ret[LY__PASSWORD_SIZE])
{
    const char *from = source->from_stdin ? "standard input" : source->file ? source->file : "the terminal";
    int r = source->from_stdin ? read_line(0, ret)
            : source->file     ? read_file(source->file, ret)
                               : ask_twice(command, user, ret);
    if (r < 0)
        say_failure(command, from, r);
    else if (!check(command, ret))
        r = -1;
    if (r < 0)
        explicit_bzero(ret, LY__PASSWORD_SIZE);
    return r < 0 ? -1 : r;
}

/* ---- for a login ---- */

static int end(const char *command, const char *from, int r, char ret[LY__PASSWORD_SIZE])
{
    if (r < 0) {
        explicit_bzero(ret, LY__PASSWORD_SIZE);
        if (r != -ENXIO)
            say_failure(command, from, r);
    }
    return r;
}

int ly__password_read(const char *command, const char *file, char ret[LY__PASSWORD_SIZE])
{
    return end(command, file, read_file(file, ret), ret);
}

int ly__password_ask(const char *command, const char *question, char ret[LY__PASSWORD_SIZE])
{
    return end(command, "the terminal", ly__prompt_secret(question, ret, LY__PASSWORD_SIZE), ret);
}
