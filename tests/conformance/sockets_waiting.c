/* SPDX-License-Identifier: MIT */
/* Part G: blocking, time-outs and signals. */
#include "places.h"
#include <signal.h>
#include <sys/time.h>

ROW(C81_S58_timeout_0_is_non_blocking_and_forever_blocking, BOTH)
{
    char byte;
    NEED(ly_sock_set_timeout(p->a, 0) == 0 && ly_sock_timeout(p->a) == 0);
    NEED(ly_recv(p->a, &byte, 1) == -EAGAIN);
    NEED(ly_sock_set_timeout(p->a, LY_FOREVER) == 0 && ly_sock_timeout(p->a) == LY_FOREVER);
    NEED(ly_sendall(p->b, "x", 1) == 0);
    NEED(ly_recv(p->a, &byte, 1) == 1);
    return 0;
}

ROW(C82_the_descriptor_itself_never_blocks, BOTH)
{
    NEED(ly_sock_set_timeout(p->a, 100) == 0);
    NEED(fcntl(ly_sock_fileno(p->a), F_GETFL) & O_NONBLOCK);
    return 0;
}

ROW(C83_a_wait_is_never_shorter_than_asked, BOTH)
{
    char byte;
    NEED(ly_sock_set_timeout(p->a, -2) == -EINVAL);
    NEED(ly_sock_set_timeout(p->a, INT64_MIN) == -EINVAL);
    for (int ms = 1; ms < 20; ms += 6) {
        int64_t start = ly_now();
        NEED(ly_sock_set_timeout(p->a, ms) == 0);
        NEED(ly_recv(p->a, &byte, 1) == -ETIMEDOUT);
        NEED(ly_now() - start >= ms * INT64_C(1000000));
    }
    return 0;
}

ROW(C84_S59_expiry_is_ETIMEDOUT_and_not_waiting_EAGAIN, BOTH)
{
    char byte = 0;
    struct ly_sock *more;
    int64_t timeouts[] = {0, 5};
    int wanted[] = {-EAGAIN, -ETIMEDOUT};
    stuff(p->a);
    for (int i = 0; i < 2; i++) {
        NEED(ly_sock_set_timeout(p->a, timeouts[i]) == 0);
        NEED(ly_sock_set_timeout(p->listener, timeouts[i]) == 0);
        NEED(ly_recv(p->a, &byte, 1) == wanted[i]);
        NEED(ly_recvall(p->a, &byte, 1) == wanted[i]);
        NEED(ly_recvfrom(p->a, &byte, 1, 0, NULL) == wanted[i]);
        NEED(ly_send(p->a, &byte, 1) == wanted[i]);
        NEED(ly_sendall(p->a, &byte, 1) == wanted[i]);
        NEED(ly_accept(p->listener, &more, NULL) == wanted[i]);
    }
    return 0;
}

ROW(C85_S41_S42_connecting_tells_done_refused_and_already, BOTH)
{
    struct ly_address a;
    struct ly_sock *s, *more;
    NEED(ly_address_parse(&a, p->address) == 0);
    NEED(ly_socket(&s, a.u.family, SOCK_STREAM, 0) == 0);
    NEED(ly_sock_connect(s, &a) == 0);
    NEED(ly_sock_connect(s, &a) == -EISCONN);
    NEED(ly_accept(p->listener, &more, NULL) == 0);
    ly_sock_free(more);
    ly_sock_free(s);
    ly_sock_close(p->listener);
    NEED(ly_connect(&s, p->address, NULL) == -ECONNREFUSED);
    return 0;
}

ROW(C86_after_connecting_without_waiting_writability_tells_the_result, TCP)
{
    struct ly_address a;
    struct ly_sock *s;
    int error = -1;
    NEED(ly_address_parse(&a, p->address) == 0);
    for (int refused = 0; refused < 2; refused++) {
        NEED(ly_socket(&s, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) == 0);
        int r = ly_sock_connect(s, &a);
        NEED(r == -EINPROGRESS || r == 0 || (refused && r == -ECONNREFUSED));
        struct pollfd wait = {.fd = ly_sock_fileno(s), .events = POLLOUT};
        NEED(poll(&wait, 1, 20000) == 1);
        if (r == -EINPROGRESS) {
            NEED(ly_sock_get_int(s, SOL_SOCKET, SO_ERROR, &error) == 0);
            NEED(error == (refused ? ECONNREFUSED : 0));
        }
        ly_sock_free(s);
        ly_sock_close(p->listener);
    }
    return 0;
}

ROW(C87_S40_an_accepted_connection_has_no_timeout, BOTH)
{
    struct ly_sock *s, *taken;
    int64_t timeouts[] = {5000, 0};
    for (int i = 0; i < 2; i++) {
        NEED(ly_sock_set_timeout(p->listener, timeouts[i]) == 0);
        NEED(ly_connect(&s, p->address, NULL) == 0);
        struct pollfd wait = {.fd = ly_sock_fileno(p->listener), .events = POLLIN};
        NEED(poll(&wait, 1, 20000) == 1);
        NEED(ly_accept(p->listener, &taken, NULL) == 0);
        NEED(ly_sock_timeout(taken) == LY_FOREVER);
        ly_sock_free(taken);
        ly_sock_free(s);
    }
    return 0;
}

ROW(C83_what_is_no_timeout_is_refused, BOTH)
{
    static const double bad[] = {-1, -0.001, __builtin_nan(""), __builtin_inf(), 1e300};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        NEED(ly_sock_set_timeout(p->a, ly_milliseconds(bad[i])) == -EINVAL);
    NEED(ly_sock_timeout(p->a) == LY_FOREVER);
    NEED(ly_sock_set_timeout(p->a, ly_milliseconds(1e-9)) == 0 && ly_sock_timeout(p->a) == 1);
    NEED(ly_sock_set_timeout(p->a, ly_milliseconds(0)) == 0 && ly_sock_timeout(p->a) == 0);
    struct ly_sock *s;
    NEED(ly_connect(&s, p->address, &(struct ly_connect_options){.timeout_ms = -2}) == -EINVAL);
    NEED(ly_set_default_timeout(ly_milliseconds(-1)) == -EINVAL);
    return 0;
}

/* Connect until the backlog takes no more. The listener's sockets are given back in full. */
static int fill_backlog(struct place *p, struct ly_sock *full[8], int *ret_last)
{
    struct ly_address a;
    NEED(ly_sock_listen(p->listener, 0) == 0);
    NEED(ly_address_parse(&a, p->address) == 0);
    for (int i = 0; i < 8; i++) {
        NEED(ly_socket(&full[i], a.u.family, SOCK_STREAM, 0) == 0);
        NEED(ly_sock_set_timeout(full[i], 100) == 0);
        *ret_last = ly_sock_connect(full[i], &a);
        if (*ret_last < 0)
            break;
    }
    return 0;
}

ROW(C85_S64_connecting_to_a_full_queue_times_out, BOTH)
{
    struct ly_sock *full[8] = {NULL};
    int last = 0;
    NEED(fill_backlog(p, full, &last) == 0);
    for (int i = 0; i < 8; i++)
        ly_sock_free(full[i]);
    NEED(last == -ETIMEDOUT);
    return 0;
}

ROW(C85_without_waiting_the_second_call_tells_the_result, TCP)
{
    struct ly_address a;
    struct ly_sock *s;
    NEED(ly_address_parse(&a, p->address) == 0);
    NEED(ly_socket(&s, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) == 0);
    int r = ly_sock_connect(s, &a);
    NEED(r == -EINPROGRESS || r == 0);
    struct pollfd wait = {.fd = ly_sock_fileno(s), .events = POLLOUT};
    NEED(poll(&wait, 1, 20000) == 1);
    NEED(ly_sock_connect(s, &a) == (r == 0 ? -EISCONN : 0));
    NEED(ly_sock_connect(s, &a) == -EISCONN);
    ly_sock_free(s);
    return 0;
}

ROW(C87_C88_the_default_timeout_is_of_sockets_made_afterwards, BOTH)
{
    struct ly_sock *made = NULL, *connected = NULL, *accepted = NULL;
    NEED(ly_sock_set_timeout(p->listener, 5000) == 0);
    NEED(ly_set_default_timeout(4321) == 0);
    int r = ly_socket(&made, AF_INET, SOCK_STREAM, 0);
    if (r == 0)
        r = ly_connect(&connected, p->address, NULL);
    if (r == 0)
        r = ly_accept(p->listener, &accepted, NULL);
    NEED(ly_set_default_timeout(LY_FOREVER) == 0);
    NEED(r == 0 && ly_sock_timeout(made) == 4321);
    NEED(ly_sock_timeout(connected) == 4321 && ly_sock_timeout(accepted) == 4321);
    NEED(ly_sock_timeout(p->a) == LY_FOREVER);
    ly_sock_free(made);
    ly_sock_free(connected);
    ly_sock_free(accepted);
    return 0;
}

struct receiver {
    struct ly_sock *sock;
    ssize_t result;
};

static int receive_one(void *arg)
{
    struct receiver *r = arg;
    char byte;
    r->result = ly_recv(r->sock, &byte, 1);
    return 0;
}

ROW(C90_who_wants_out_ends_the_call_at_once, BOTH)
{
    struct receiver receiver = {.sock = p->a};
    struct ly_scope *scope;
    NEED(ly_sock_set_timeout(p->a, 60000) == 0);
    NEED(ly_scope_open(&scope, NULL) == 0);
    NEED(ly_go(scope, receive_one, &receiver) == 0);
    ly_sleep(2); /* it waits by now, or is told before it does */
    int64_t start = ly_now();
    ly_scope_cancel(scope);
    ly_scope_close(scope);
    NEED(receiver.result == -ECANCELED && ms_since(start) < 30000);
    return 0;
}

/* ---- signals ---- */

static volatile sig_atomic_t alarms;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    alarms++;
}

struct ticking {
    struct sigaction old;
};

static void tick(struct ticking *t)
{
    struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART: calls are interrupted */
    struct itimerval every = {{0, 3000}, {0, 3000}};
    alarms = 0;
    sigaction(SIGALRM, &action, &t->old);
    setitimer(ITIMER_REAL, &every, NULL);
}

static void stop_ticking(struct ticking *t)
{
    struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &t->old, NULL);
}

/* Three calls, each in vain for 40 ms. */
static int wait_in_vain(struct place *p)
{
    char byte;
    struct ly_sock *more;
    int64_t start = ly_now();
    NEED(ly_recv(p->a, &byte, 1) == -ETIMEDOUT);
    NEED(ly_send(p->a, "x", 1) == -ETIMEDOUT);
    NEED(ly_accept(p->listener, &more, NULL) == -ETIMEDOUT);
    NEED(ms_since(start) >= 120);
    return 0;
}

ROW(C89_signals_never_end_a_call_and_do_not_stretch_it, BOTH)
{
    struct ticking t;
    int r = 0;
    NEED(ly_sock_set_timeout(p->a, 40) == 0);
    NEED(ly_sock_set_timeout(p->listener, 40) == 0);
    stuff(p->a);
    tick(&t);
    while (r == 0 && alarms <= 2) /* those that come while this process does not run are one */
        r = wait_in_vain(p);
    stop_ticking(&t);
    return r;
}

ROW(C91_signals_do_not_begin_a_connection_anew, BOTH)
{
    struct ly_sock *s = NULL, *more;
    struct ticking t;
    int r = 0, connected = 0;
    tick(&t);
    for (int64_t start = ly_now(); r == 0 && (alarms < 5 || connected < 50) && ms_since(start) < 20000;
         connected++) {
        r = ly_connect(&s, p->address, NULL);
        if (r == 0 && (r = ly_accept(p->listener, &more, NULL)) == 0)
            ly_sock_free(more);
        if (s)
            ly_sock_free(s);
        s = NULL;
    }
    stop_ticking(&t);
    NEED(r == 0);
    NEED(ly_sock_set_timeout(p->listener, 0) == 0);
    NEED(ly_accept(p->listener, &more, NULL) == -EAGAIN); /* each was made once */
    return 0;
}

struct slow_reader {
    struct ly_sock *sock;
    int64_t until;
};

/* Reads a little every few milliseconds. */
static int read_slowly(void *arg)
{
    struct slow_reader *r = arg;
    static char buf[4096];
    ly_sock_set_timeout(r->sock, 10);
    while (ly_now() < r->until && ly_recv(r->sock, buf, sizeof buf) != 0)
        if (ly_sleep(4) < 0)
            break;
    return 0;
}

ROW(C92_sendall_is_bounded_as_a_whole, BOTH)
{
    static const char much[8 << 20];
    struct slow_reader reader = {p->b, ly_now() + INT64_C(20000000000)};
    struct ly_scope *scope;
    NEED(ly_scope_open(&scope, NULL) == 0);
    NEED(ly_go(scope, read_slowly, &reader) == 0);
    NEED(ly_sock_set_timeout(p->a, 40) == 0);
    int64_t start = ly_now();
    int r = ly_sendall(p->a, much, sizeof much);
    int64_t took = ms_since(start);
    ly_scope_close(scope);
    NEED(r == -ETIMEDOUT);
    NEED(took >= 40 && took < 10000);
    return 0;
}

ROW(C93_S60_sending_to_a_closed_peer_is_an_error_and_no_signal, BOTH)
{
    ssize_t r = 1;
    ly_sock_close(p->b);
    for (int i = 0; i < 1000 && r > 0; i++)
        r = ly_send(p->a, "x", 1);
    NEED(r == -EPIPE || r == -ECONNRESET);
    NEED(ly_send(p->a, "x", 1) == -EPIPE);
    return 0;
}

struct blocked {
    struct ly_sock *sock;
    ssize_t result;
    bool accepts;
};

static int block(void *arg)
{
    struct blocked *b = arg;
    struct ly_sock *more;
    char byte;
    b->result = b->accepts ? ly_accept(b->sock, &more, NULL) : ly_recv(b->sock, &byte, 1);
    return 0;
}

/* Shut the socket down while another task waits in it; returns what that one got. */
static ssize_t shut_down_under(struct ly_sock *s, bool accepts)
{
    struct blocked b = {s, 1000, accepts};
    struct ly_scope *scope;
    if (ly_scope_open(&scope, NULL) < 0 || ly_go(scope, block, &b) < 0)
        return -ENOMEM;
    ly_sleep(1); /* the task waits by now, or finds the socket shut down: the answer is the same */
    if (accepts)
        shutdown(ly_sock_fileno(s), SHUT_RDWR);
    else
        ly_shutdown(s, SHUT_RD);
    ly_scope_join(scope);
    ly_scope_close(scope);
    return b.result;
}

ROW(C94_shutdown_wakes_whoever_waits, BOTH)
{
    NEED(shut_down_under(p->a, false) == 0);
    NEED(shut_down_under(p->listener, true) == -EINVAL);
    return 0;
}

PLACES_MAIN(RUN(C81_S58_timeout_0_is_non_blocking_and_forever_blocking),
            RUN(C82_the_descriptor_itself_never_blocks), RUN(C83_a_wait_is_never_shorter_than_asked),
            RUN(C84_S59_expiry_is_ETIMEDOUT_and_not_waiting_EAGAIN),
            RUN(C85_S41_S42_connecting_tells_done_refused_and_already),
            RUN(C86_after_connecting_without_waiting_writability_tells_the_result),
            RUN(C87_S40_an_accepted_connection_has_no_timeout),
            RUN(C89_signals_never_end_a_call_and_do_not_stretch_it), RUN(C83_what_is_no_timeout_is_refused),
            RUN(C85_S64_connecting_to_a_full_queue_times_out),
            RUN(C85_without_waiting_the_second_call_tells_the_result),
            RUN(C87_C88_the_default_timeout_is_of_sockets_made_afterwards),
            RUN(C90_who_wants_out_ends_the_call_at_once), RUN(C91_signals_do_not_begin_a_connection_anew),
            RUN(C92_sendall_is_bounded_as_a_whole),
            RUN(C93_S60_sending_to_a_closed_peer_is_an_error_and_no_signal),
            RUN(C94_shutdown_wakes_whoever_waits))
