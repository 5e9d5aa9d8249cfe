/* SPDX-License-Identifier: MIT */
/* peer-echo-threads ADDRESS: a thread for each connection, blocking calls, small stacks. */
#include "../common/net.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STACK = 128 * 1024, BUFFER = 65536 };

static void *serve(void *argument)
{
    char buffer[BUFFER];
    int fd = (int)(intptr_t)argument;
    ssize_t n;
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    }
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_attr_t attributes;
    int listener = listen_on(argc > 1 ? argv[1] : "tcp://127.0.0.1:0");
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;) {
        pthread_t thread;
        int fd = accept_from(listener, 0);
        if (fd < 0)
            die("accept");
        errno = pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd);
        if (errno)
            die("pthread_create");
    }
}
