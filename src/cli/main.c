/* SPDX-License-Identifier: MIT */
/* The program: finds the command's row and runs it. */
#include "cli/command.h"
#include "cli/group.h"
#include "daemon/become.h"
#include "daemon/nearest.h"
#include "daemon/worker.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* To add a command: its file, its line in command.h and meson.build, and its row here. */
static const struct ly__cli_command commands[] = {
    {"serve", "serve this machine", ly__cli_serve},
    {"exec", "run a command there", ly__cli_exec},
    {"put", "copy files to there", ly__cli_put},
    {"get", "copy files from there", ly__cli_get},
    {"ls", "list a directory there", ly__cli_ls},
    {"stat", "say what a file there is", ly__cli_stat},
    {"mkdir", "make directories there", ly__cli_mkdir},
    {"mv", "rename there", ly__cli_mv},
    {"rm", "remove files there", ly__cli_rm},
    {"pair", "make this machine known to another", ly__cli_pair},
    {"id", "say who this machine is", ly__cli_id},
    {"known", "the machines that are remembered", ly__cli_known},
    {"audit", "show who did what on this machine", ly__cli_audit},
    {"config", "check and show the settings of the server", ly__cli_config},
    {"user", "say who may log in on this machine", ly__cli_user},
    {"devices", "see and revoke the devices of users", ly__cli_devices},
    {"status", "say how the server on this machine is", ly__cli_status},
    {"sessions", "see and end the sessions of this machine's server", ly__cli_sessions},
    {"ping", "measure the round trip", ly__cli_ping},
    {"version", "say which version this is, and which one the server has", ly__cli_version},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static const struct ly__cli_command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

/* ---- the command that was probably meant ---- */

static int refuse(const char *name)
{
    struct ly__nearest nearest;
    ly__nearest_init(&nearest, name, strlen(name));
    for (size_t i = 0; i < COMMANDS; i++)
        ly__nearest_try(&nearest, commands[i].name);
    if (nearest.name)
        ly__cli_say(NULL, "there is no command '%s'; did you mean '%s'?", name, nearest.name);
    else
        ly__cli_say(NULL, "there is no command '%s'; 'lanyard help' lists them", name);
    return LY__EXIT_USAGE;
}

/* ---- help ---- */

static void print_help(FILE *to)
{
    fprintf(to, "Usage: lanyard COMMAND [ARGUMENT...]\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "  %-9s %s\n\n", "help", "this text, or a command's own with its name");
    fprintf(
        to,
        "A machine is named [USER@]NAME[:PORT], or unix:PATH; by default it is $LANYARD_HOST, else your own server on\n"
        "this machine. 'lanyard COMMAND --help' has the rest.\n");
}

static int run_help(int argc, char **argv)
{
    static char option[] = "--help";
    if (argc < 2 || ly__cli_asks_help(argv[1])) {
        print_help(stdout);
        return fflush(stdout) == 0 ? 0 : LY__EXIT_FAILURE;
    }
    const struct ly__cli_command *c = find(argv[1]);
    char *arguments[] = {argv[1], option, NULL};
    if (c)
        return c->run(2, arguments);
    return refuse(argv[1]);
}

/* ---- main ---- */

/*
 * Whoever starts us may have closed a standard stream: then the first socket would get its number, and what
 * is printed would go to the peer. /dev/null stands there instead, for output so that writing it fails, as it
 * would have. Not close-on-exec: it is what a standard stream is. Returns whether all three are open.
 */
static bool keep_standard_streams(void)
{
    static const int flags[] = {O_RDONLY, O_RDONLY, O_WRONLY};
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        if (open("/dev/null", flags[fd]) != fd) {
            fprintf(stderr, "lanyard: a standard stream is closed, and /dev/null cannot take its place\n");
            return false;
        }
    }
    return true;
}

/*
 * Clients are short-lived, and starting is most of what they do: their program is linked to a fixed address,
 * which saves relocating it. A server is worth attacking, and is the same program linked to be loaded
 * anywhere: it lies beside ours in a build, and in ../libexec/lanyard where it is installed. Where there is
 * none, we serve ourselves.
 */
static void become_server(char **argv)
{
#ifdef LY__SERVER_PROGRAM
    static const char *const places[] = {"/" LY__SERVER_PROGRAM, "/../libexec/lanyard/" LY__SERVER_PROGRAM};
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    char *slash = n > 0 && n < (ssize_t)sizeof path ? memrchr(path, '/', (size_t)n) : NULL;
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        if (snprintf(slash, (size_t)(path + sizeof path - slash), "%s", places[i]) <
            path + sizeof path - slash)
            execv(path, argv);
    }
#else
    (void)argv;
#endif
}

/* What the program starts itself as; users have no use for it. Returns -1 if it is something else. */
static int run_inner(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], LY__WORKER_ARGUMENT) == 0)
        return ly__worker(NULL);
    if (argc > 2 && strcmp(argv[1], LY__BECOME_ARGUMENT) == 0)
        return ly__become(argc - 1, argv + 1);
    return -1;
}

int main(int argc, char **argv)
{
    if (!keep_standard_streams())
        return LY__EXIT_FAILURE;
    int inner = run_inner(argc, argv);
    if (inner >= 0)
        return inner;
    if (argc < 2) {
        print_help(stderr);
        return LY__EXIT_USAGE;
    }
    if (strcmp(argv[1], "serve") == 0)
        become_server(argv);
    argp_err_exit_status = LY__EXIT_USAGE;
    const struct ly__cli_command *c = find(argv[1]);
    if (c)
        return c->run(argc - 1, argv + 1);
    if (ly__cli_asks_help(argv[1]))
        return run_help(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return puts("lanyard " LY__VERSION) < 0 || fflush(stdout) != 0;
    return refuse(argv[1]);
}
