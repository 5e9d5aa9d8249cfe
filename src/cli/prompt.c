/* SPDX-License-Identifier: MIT */
/*
 * A prompt without echo.
 *
 * Whoever presses ^C or ^Z here must get the terminal back as it was. The signals that do so are blocked
 * while the echo is off, and read from a descriptor; each is let through once the echo is on again, and does
 * then what it does to any program. After a stop (^Z, fg) the question is asked anew.
 */
#include "cli/prompt.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

struct terminal {
    int fd, signals;
    struct termios before;
    sigset_t mask, mask_before;
};

static bool write_all(int fd, const char *text)
{
    size_t n = strlen(text);
    return write(fd, text, n) == (ssize_t)n;
}

static int open_terminal(struct terminal *t)
{
    static const int caught[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU};
    t->fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (t->fd < 0 || tcgetattr(t->fd, &t->before) < 0) {
        if (t->fd >= 0)
            close(t->fd);
        return -ENXIO;
    }
    pthread_sigmask(SIG_BLOCK, NULL, &t->mask_before);
    sigemptyset(&t->mask);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        if (!sigismember(&t->mask_before,
                         caught[i])) /* whoever has blocked it does not want it to do anything */
            sigaddset(&t->mask, caught[i]);
    }
    t->signals = signalfd(-1, &t->mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (t->signals < 0) {
        int r = -errno;
        close(t->fd);
        return r;
    }
    return 0;
}

static void hide(struct terminal *t)
{
    struct termios quiet = t->before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    quiet.c_lflag |= ICANON | ISIG;
    pthread_sigmask(SIG_BLOCK, &t->mask, NULL);
    tcsetattr(t->fd, TCSAFLUSH, &quiet);
}

/* Signals that came meanwhile arrive in here. */
static void show(struct terminal *t)
{
    tcsetattr(t->fd, TCSADRAIN, &t->before);
    write_all(t->fd, "\n");
    pthread_sigmask(SIG_SETMASK, &t->mask_before, NULL);
}

/* One line of up to cap - 1 bytes. Returns its length, -EINTR (a signal waits) or an error. */
static int read_line(const struct terminal *t, char *line, size_t cap)
{
    size_t length = 0;
    for (;;) {
        char c;
        struct pollfd fds[] = {{.fd = t->fd, .events = POLLIN}, {.fd = t->signals, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return -errno;
        if (fds[1].revents)
            return -EINTR;
        ssize_t n = fds[0].revents ? read(t->fd, &c, 1) : -1;
        if (n == 0)
            return LY_EEOF;
        if (n < 0 && fds[0].revents && errno != EINTR && errno != EAGAIN)
            return -errno;
        if (n == 1 && c == '\n')
            break;
        if (n == 1 && length < cap)
            line[length++] = c;
    }
    if (length == cap)
        return LY_ETOOBIG;
    line[length] = '\0';
    return (int)length;
}

int ly__prompt_secret(const char *question, char *ret, size_t cap)
{
    struct terminal t;
    int r = open_terminal(&t);
    if (r < 0)
        return r;
    do {
        hide(&t);
        r = write_all(t.fd, question) ? read_line(&t, ret, cap) : -EIO;
        show(&t);
    } while (r == -EINTR);
    if (r < 0)
        explicit_bzero(ret, cap);
    close(t.signals);
    close(t.fd);
    return r;
}
