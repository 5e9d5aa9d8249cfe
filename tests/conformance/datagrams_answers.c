/* SPDX-License-Identifier: MIT */
/* Answers to datagrams that came together: they leave together, and arrive as they were given. */
#include "datagrams.h"
#include <netinet/udp.h>

#define BATCHED (SEQUENTIAL | FIBERS | DATAGRAMS | UDP_ONLY)

static void keep_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    notes->number[0] = error;
    count(1);
}

static const struct ly_server_options echoing = {.handler.handle = give_back,
                                                 .hooks.handle_error = keep_error};

/* A client that is given joined datagrams as they came, unless the kernel cannot do that. */
static struct ly_sock *join_seeing_segments(struct ly_server *s)
{
    static const int on = 1;
    struct ly_sock *client = join(s);
    if (setsockopt(ly_sock_fileno(client), SOL_UDP, UDP_GRO, &on, sizeof on) == 0)
        return client;
    ly_sock_free(client);
    ly_server_close(s);
    skip();
    return NULL;
}

/* In how many messages this text comes. */
static int messages_of(struct ly_sock *client, const char *text)
{
    char got[64];
    size_t n = 0;
    int messages = 0;
    for (; n < strlen(text); messages++) {
        ssize_t r = ly_recv(client, got + n, sizeof got - n);
        assert_true(r > 0);
        n += (size_t)r;
    }
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, n);
    return messages;
}

/* Four questions that wait already when serving begins: in how many messages the first three are answered. */
static int answer_three(const struct cell *c)
{
    struct served s;
    struct ly_server *server = open_server(c, echoing);
    struct ly_sock *client = join_seeing_segments(server);
    throw_text(client, "one");
    throw_text(client, "two");
    throw_text(client, "six");
    throw_text(client, "seven");
    serve(&s, server);
    int messages = messages_of(client, "onetwosix");
    catch_text(client, "seven");
    ly_sock_free(client);
    end_server(&s);
    return messages;
}

/* An answer waits for the next one for a short time only: where others have the processor, it leaves alone.
 */
ROW(answers_of_one_length_to_one_peer_leave_as_one_message, BATCHED)
{
    int tries = 1;
    while (tries < 1000 && answer_three(c) > 1)
        tries++;
    assert_true(tries < 1000);
}

ROW(answers_that_the_kernel_does_not_cut_are_sent_one_by_one, BATCHED)
{
    static const int on = 1;
    struct served s;
    struct ly_server *server = open_server(c, echoing);
    struct ly_sock *client = join_seeing_segments(server);
    /* segments have checksums, whatever the socket is told */
    assert_int_equal(setsockopt(ly_sock_fileno(server->listener[0]), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on),
                     0);
    throw_text(client, "one");
    throw_text(client, "two");
    throw_text(client, "six");
    serve(&s, server);
    catch_text(client, "one");
    catch_text(client, "two");
    catch_text(client, "six");
    assert_int_equal(counted(1), 0);
    ly_sock_free(client);
    end_server(&s);
}

static int answer_everybody(struct ly_request *rq)
{
    assert_int_equal(ly_address_parse(&rq->peer, "udp://255.255.255.255:9"), 0);
    return give_back(rq);
}

ROW(each_of_joined_answers_that_fail_is_told, BATCHED)
{
    struct served s;
    struct ly_server_options o = {.handler.handle = answer_everybody, .hooks.handle_error = keep_error};
    struct ly_server *server = open_server(c, o);
    struct ly_sock *client = join(server);
    for (int i = 0; i < 3; i++)
        throw_text(client, "to all");
    serve(&s, server);
    AWAIT(counted(1) == 3);
    assert_int_equal(notes->number[0], -EACCES);
    ly_sock_free(client);
    end_server(&s);
}

/* ---- whatever their neighbours are ---- */

struct row {
    int times;
    int client;
    size_t length;
};

/* Runs that end by another peer, another length, none, the greatest message, and one that is too long to
 * wait. */
static const struct row mixed[] = {{3, 0, 4},     {2, 1, 4},    {1, 0, 4}, {2, 0, 0}, {2, 0, 5},
                                   {62, 0, 1024}, {2, 1, 1025}, {2, 1, 1}, {1, 0, 1}, {1, 1, 1}};
#define ROWS (sizeof mixed / sizeof *mixed)

static void fill(unsigned char *bytes, size_t length, size_t row, int i)
{
    memset(bytes, (int)row, length);
    if (length > 0)
        bytes[0] = (unsigned char)i;
}

static void catch_row(struct ly_sock *client, size_t row, int i)
{
    unsigned char wanted[1025], got[2048];
    fill(wanted, mixed[row].length, row, i);
    assert_int_equal(ly_recv(client, got, sizeof got), (ssize_t)mixed[row].length);
    assert_memory_equal(got, wanted, mixed[row].length);
}

ROW(each_answer_arrives_as_it_was_given_and_in_order, BATCHED)
{
    struct served s;
    struct ly_server *server = open_server(c, echoing);
    struct ly_sock *client[2] = {join(server), join(server)};
    unsigned char bytes[1025];
    for (size_t row = 0; row < ROWS; row++)
        for (int i = 0; i < mixed[row].times; i++) {
            fill(bytes, mixed[row].length, row, i);
            throw(client[mixed[row].client], bytes, mixed[row].length);
        }
    serve(&s, server);
    for (int which = 0; which < 2; which++)
        for (size_t row = 0; row < ROWS; row++)
            for (int i = 0; mixed[row].client == which && i < mixed[row].times; i++)
                catch_row(client[which], row, i);
    catch_nothing(client[0]);
    catch_nothing(client[1]);
    assert_int_equal(counted(1), 0);
    ly_sock_free(client[0]);
    ly_sock_free(client[1]);
    end_server(&s);
}

MATRIX_MAIN(RUN(answers_of_one_length_to_one_peer_leave_as_one_message),
            RUN(answers_that_the_kernel_does_not_cut_are_sent_one_by_one),
            RUN(each_of_joined_answers_that_fail_is_told),
            RUN(each_answer_arrives_as_it_was_given_and_in_order))
