/* SPDX-License-Identifier: MIT */
/*
 * limit-connections fork|thread: the least that an echo server with a process or a thread for each connection
 * can do: accept, fork or pthread_create, echo until the end, shutdown, close; and wait for the processes
 * that have ended.
 */
#include "../common/net.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFER = 2048 };

static void serve(int fd)
{
    char buffer[BUFFER];
    ssize_t n;
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    shutdown(fd, SHUT_WR);
    close(fd);
}

static void *serve_in_thread(void *argument)
{
    serve((int)(intptr_t)argument);
    return NULL;
}

static void start_thread(int fd)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    errno = pthread_create(&thread, &attributes, serve_in_thread, (void *)(intptr_t)fd);
    if (errno)
        die("pthread_create");
    pthread_attr_destroy(&attributes);
}

static void note(int number)
{
    (void)number;
}

static _Noreturn void be_process(int listener, int fd, const sigset_t *mask)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    close(listener);
    sigaction(SIGTERM, &action, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    serve(fd);
    _exit(0);
}

static void start_process(int listener, int fd)
{
    static pid_t last[8];
    static unsigned turn;
    sigset_t all, mask;
    siginfo_t info;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        be_process(listener, fd, &mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    close(fd);
    pid_t *slot = &last[turn++ % 8];
    if (*slot)
        waitid(P_PID, (id_t)*slot, &info, WEXITED);
    *slot = pid;
}

int main(int argc, char **argv)
{
    bool threads = argc > 1 && !strcmp(argv[1], "thread");
    int listener = listen_on("tcp://127.0.0.1:0");
    struct pollfd p = {.fd = listener, .events = POLLIN};
    set_nonblocking(listener);
    for (;;) {
        int fd = accept_from(listener, 0);
        if (fd < 0) {
            poll(&p, 1, -1);
            continue;
        }
        if (threads)
            start_thread(fd);
        else
            start_process(listener, fd);
    }
}
