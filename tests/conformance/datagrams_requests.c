/* SPDX-License-Identifier: MIT */
/* Part D, and what happens to one datagram. */
#include "datagrams.h"

static void keep_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    note(where[0]);
    notes->number[0] = error;
    count(1);
}

static const struct ly_server_options echoing = {.handler.handle = give_back,
                                                 .hooks.handle_error = keep_error};

/* ---- the datagram ---- */

ROW(C10_one_datagram_is_one_request, ALL | DATAGRAMS)
{
    struct ly_server *s = open_server(c, echoing);
    struct ly_sock *client = join(s);
    throw_text(client, "one");
    throw_text(client, "two");
    assert_int_equal(ly_handle_request(s), 1);
    catch_text(client, "one");
    catch_nothing(client);
    assert_int_equal(ly_handle_request(s), 1);
    catch_text(client, "two");
    ly_sock_free(client);
    ly_server_close(s);
}

static int tell_length(struct ly_request *rq)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%zu%s", rq->packet_length, rq->cut ? " cut" : "");
    return ly_reply(rq, text, (size_t)n);
}

ROW(C45_a_longer_datagram_is_cut_and_said_to_be, ALL | DATAGRAMS)
{
    static const char bytes[9000];
    struct served s;
    struct ly_server_options o = {.handler.handle = tell_length};
    serve(&s, open_server(c, o));
    struct ly_sock *client = join(s.server);
    throw(client, bytes, 9000);
    catch_text(client, "8192 cut");
    throw(client, bytes, 8192);
    catch_text(client, "8192");
    ly_sock_free(client);
    end_server(&s);

    o.max_packet_size = 5;
    serve(&s, open_server(c, o));
    client = join(s.server);
    throw_text(client, "123456");
    catch_text(client, "5 cut");
    throw_text(client, "12345");
    catch_text(client, "5");
    ly_sock_free(client);
    end_server(&s);
}

ROW(C45_a_packet_size_beyond_the_greatest_is_refused, ALL | DATAGRAMS)
{
    struct ly_server *s = NULL;
    struct ly_server_options o = for_cell(c, echoing);
    o.max_packet_size = LY_PACKET_MAX + 1;
    assert_int_equal(ly_server_open(&s, &o), -EINVAL);
    o.max_packet_size = LY_PACKET_MAX;
    assert_int_equal(ly_server_open(&s, &o), 0);
    struct served served;
    serve(&served, s);
    ask(s, "greatest", "greatest");
    end_server(&served);
}

ROW(C46_an_empty_datagram_is_a_request_like_any_other, ALL | DATAGRAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = tell_length}));
    struct ly_sock *client = join(s.server);
    for (int i = 0; i < 3; i++) {
        throw(client, "", 0);
        catch_text(client, "0");
    }
    throw_text(client, "x");
    catch_text(client, "1");
    ly_sock_free(client);
    end_server(&s);
}

ROW(an_empty_answer_is_a_datagram, ALL | DATAGRAMS)
{
    char byte;
    struct served s;
    serve(&s, open_server(c, echoing));
    struct ly_sock *client = join(s.server);
    throw(client, "", 0);
    assert_int_equal(ly_recv(client, &byte, 1), 0);
    ly_sock_free(client);
    end_server(&s);
}

static int use_own_socket(struct ly_request *rq)
{
    note(ly_sock_fileno(rq->sock) >= 0 && ly_sock_type(rq->sock) == SOCK_DGRAM ? 'D' : '?');
    struct ly_address local, server;
    bool same = ly_sock_local(rq->sock, &local) == 0 && ly_server_address(rq->server, &server) == 0 &&
                ly_address_equal(&local, &server);
    note(same ? 'S' : '?');
    ssize_t n = ly_sendto(rq->sock, rq->packet, rq->packet_length, 0, &rq->peer);
    return n < 0 ? (int)n : 0;
}

ROW(C44_the_socket_of_a_request_is_the_servers_own, ALL | DATAGRAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = use_own_socket}));
    ask(s.server, "own", "own");
    end_server(&s);
    assert_string_equal(notes->letters, "DS");
}

static int refuse(struct ly_request *rq)
{
    return rq->packet_length > 1;
}

ROW(C26_C47_a_request_that_ends_or_is_refused_leaves_the_socket_open, ALL | DATAGRAMS)
{
    struct served s;
    struct ly_server_options o = echoing;
    o.hooks.verify_request = refuse;
    serve(&s, open_server(c, o));
    int fd = ly_server_fileno(s.server);
    struct ly_sock *client = join(s.server);
    for (int i = 0; i < 10; i++) {
        throw_text(client, "x");
        throw_text(client, "served");
        catch_text(client, "served");
    }
    catch_nothing(client);
    assert_int_equal(ly_server_fileno(s.server), fd);
    assert_int_equal(stats_of(s.server).refused, 10);
    assert_int_equal(counted(1), 0);
    ly_sock_free(client);
    end_server(&s);
}

ROW(C49_a_client_without_an_address_cannot_be_answered, ALL | DATAGRAMS | DGRAM_ONLY)
{
    struct served s;
    struct ly_address a;
    struct ly_sock *mute = NULL;
    serve(&s, open_server(c, echoing));
    assert_int_equal(ly_server_address(s.server, &a), 0);
    assert_int_equal(ly_socket(&mute, AF_UNIX, SOCK_DGRAM, 0), 0);
    assert_int_equal(ly_sendto(mute, "hello", 5, 0, &a), 5);
    AWAIT(counted(1) == 1);
    assert_int_equal(notes->number[0], -EDESTADDRREQ);
    ask(s.server, "next", "next");
    ly_sock_free(mute);
    end_server(&s);
}

ROW(C49_a_client_that_has_gone_is_told_and_does_no_harm, ALL | DATAGRAMS | DGRAM_ONLY)
{
    struct served s;
    struct ly_server *server = open_server(c, echoing);
    struct ly_sock *gone = join(server);
    throw_text(gone, "x");
    ly_sock_free(gone);
    serve(&s, server);
    AWAIT(counted(1) == 1);
    assert_int_equal(notes->number[0], -ECONNREFUSED);
    ask(server, "next", "next");
    end_server(&s);
}

/* ---- answers in one piece ---- */

static int collect(struct ly_request *rq)
{
    int r = ly_reply_add(rq, "<", 1);
    if (r == 0)
        r = ly_reply_add(rq, rq->packet, rq->packet_length);
    return r == 0 && rq->packet_length > 3 ? -EBADMSG : r;
}

static int close_bracket(struct ly_request *rq)
{
    return ly_reply_add(rq, ">", 1);
}

ROW(C42_what_was_collected_is_sent_as_one_datagram, ALL | DATAGRAMS)
{
    struct served s;
    serve(&s, open_server(
                  c, (struct ly_server_options){.handler = {.handle = collect, .finish = close_bracket}}));
    ask(s.server, "abc", "<abc>");
    end_server(&s);
}

static int say_nothing_or_empty(struct ly_request *rq)
{
    int r = rq->packet_length > 0 ? ly_reply_add(rq, NULL, 0) : 0;
    count(0);
    return r;
}

ROW(C43_nothing_is_sent_unless_something_was_collected, ALL | DATAGRAMS)
{
    char byte;
    struct served s;
    struct ly_server *server =
        open_server(c, (struct ly_server_options){.handler.handle = say_nothing_or_empty});
    struct ly_sock *client = join(server);
    serve(&s, server);
    throw(client, "", 0);
    AWAIT(counted(0) == 1);
    AWAIT(stats_of(server).active == 0);
    catch_nothing(client);
    throw_text(client, "x");
    assert_int_equal(ly_recv(client, &byte, 1), 0);
    ly_sock_free(client);
    end_server(&s);
}

ROW(C43_nothing_is_sent_after_an_error, ALL | DATAGRAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = collect,
                                                        .hooks.handle_error = keep_error}));
    struct ly_sock *client = join(s.server);
    throw_text(client, "long");
    AWAIT(counted(1) == 1);
    throw_text(client, "xy");
    catch_text(client, "<xy");
    assert_int_equal(notes->number[0], -EBADMSG);
    ly_sock_free(client);
    end_server(&s);
}

static int collect_too_much(struct ly_request *rq)
{
    static const char block[1 << 15];
    int r = 0;
    while (r == 0)
        r = ly_reply_add(rq, block, sizeof block);
    notes->number[1] = r;
    return 0;
}

ROW(what_is_collected_has_a_maximum_and_a_failing_answer_is_told, ALL | DATAGRAMS | UDP_ONLY)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = collect_too_much,
                                                        .hooks.handle_error = keep_error}));
    struct ly_sock *client = join(s.server);
    throw_text(client, "x");
    AWAIT(counted(1) == 1);
    assert_int_equal(notes->number[1], -EMSGSIZE);
    assert_int_equal(notes->number[0], -EMSGSIZE); /* 65,536 bytes: more than a datagram holds */
    assert_string_equal(notes->letters, "r");
    ly_sock_free(client);
    end_server(&s);
}

/* ---- the steps ---- */

static int note_setup(struct ly_request *rq)
{
    note(rq->state ? '?' : 'S');
    rq->state = notes;
    return 0;
}

static int note_handle(struct ly_request *rq)
{
    note(rq->state == notes ? 'H' : '?');
    return give_back(rq);
}

static int note_finish(struct ly_request *rq)
{
    note('F');
    return ly_reply(rq, "end", 3);
}

static int let_in(struct ly_request *rq)
{
    note(ly_server_user(rq->server) == notes && rq->packet_length == 1 ? 'V' : '?');
    return 1;
}

ROW(C31_C33_a_datagram_is_verified_set_up_handled_and_finished, ALL | DATAGRAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler = {note_setup, note_handle, note_finish},
                                                        .hooks.verify_request = let_in,
                                                        .user = notes}));
    struct ly_sock *client = join(s.server);
    for (int i = 0; i < 2; i++) {
        throw_text(client, "x");
        catch_text(client, "x");
        catch_text(client, "end");
    }
    ly_sock_free(client);
    end_server(&s);
    assert_string_equal(notes->letters, "VSHFVSHF");
}

static int fail_handle(struct ly_request *rq)
{
    note_handle(rq);
    return -EIO;
}

ROW(C28_C34_an_error_is_told_finish_runs_and_the_server_goes_on, ALL | DATAGRAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler = {note_setup, fail_handle, note_finish},
                                                        .hooks.handle_error = keep_error}));
    struct ly_sock *client = join(s.server);
    for (int i = 0; i < 2; i++) {
        throw_text(client, "x");
        catch_text(client, "x");
        catch_text(client, "end");
    }
    ly_sock_free(client);
    end_server(&s);
    assert_string_equal(notes->letters, "SHhFSHhF");
}

static int fail_setup(struct ly_request *rq)
{
    (void)rq;
    return -EPERM;
}

static int fail_to_verify(struct ly_request *rq)
{
    return rq->packet_length > 1 ? -EACCES : 1;
}

ROW(C27_C35_failing_to_verify_or_to_set_up_runs_nothing_else, ALL | DATAGRAMS)
{
    struct served s;
    struct ly_server_options o = {.handler = {fail_setup, note_handle, note_finish},
                                  .hooks = {.verify_request = fail_to_verify, .handle_error = keep_error}};
    serve(&s, open_server(c, o));
    struct ly_sock *client = join(s.server);
    throw_text(client, "xx");
    AWAIT(counted(1) == 1);
    assert_int_equal(notes->number[0], -EACCES);
    throw_text(client, "x");
    AWAIT(counted(1) == 2);
    assert_int_equal(notes->number[0], -EPERM);
    ly_sock_free(client);
    end_server(&s);
    assert_string_equal(notes->letters, "vs");
}

/* ---- many ---- */

static int check_and_give_back(struct ly_request *rq)
{
    /* Some suspend, so that fibers lead on in the middle of a batch. */
    const unsigned char *bytes = rq->packet;
    unsigned char first = bytes[0];
    int r = first % 7 == 0 ? ly_sleep(first % 2) : 0;
    for (size_t i = 0; i < rq->packet_length; i++)
        if (bytes[i] != first)
            return -EBADMSG;
    return r < 0 ? r : give_back(rq);
}

ROW(C37_C55_many_datagrams_are_answered_whole_and_in_any_order, ALL | DATAGRAMS)
{
    enum { ROUNDS = 30, WINDOW = 8 };
    unsigned char bytes[200], seen[256] = {0};
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = check_and_give_back,
                                                        .hooks.handle_error = keep_error}));
    struct ly_sock *client = join(s.server);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < WINDOW; i++) {
            int number = round * WINDOW + i;
            memset(bytes, number, sizeof bytes);
            throw(client, bytes, 1 + (size_t)number % sizeof bytes);
        }
        for (int i = 0; i < WINDOW; i++) {
            ssize_t n = ly_recv(client, bytes, sizeof bytes);
            assert_true(n > 0);
            assert_int_equal(n, 1 + bytes[0] % sizeof bytes);
            assert_int_equal(seen[bytes[0]]++, 0);
        }
    }
    assert_int_equal(counted(1), 0);
    ly_sock_free(client);
    end_server(&s);
}

MATRIX_MAIN(RUN(C10_one_datagram_is_one_request), RUN(C45_a_longer_datagram_is_cut_and_said_to_be),
            RUN(C45_a_packet_size_beyond_the_greatest_is_refused),
            RUN(C46_an_empty_datagram_is_a_request_like_any_other), RUN(an_empty_answer_is_a_datagram),
            RUN(C44_the_socket_of_a_request_is_the_servers_own),
            RUN(C26_C47_a_request_that_ends_or_is_refused_leaves_the_socket_open),
            RUN(C49_a_client_without_an_address_cannot_be_answered),
            RUN(C49_a_client_that_has_gone_is_told_and_does_no_harm),
            RUN(C42_what_was_collected_is_sent_as_one_datagram),
            RUN(C43_nothing_is_sent_unless_something_was_collected), RUN(C43_nothing_is_sent_after_an_error),
            RUN(what_is_collected_has_a_maximum_and_a_failing_answer_is_told),
            RUN(C31_C33_a_datagram_is_verified_set_up_handled_and_finished),
            RUN(C28_C34_an_error_is_told_finish_runs_and_the_server_goes_on),
            RUN(C27_C35_failing_to_verify_or_to_set_up_runs_nothing_else),
            RUN(C37_C55_many_datagrams_are_answered_whole_and_in_any_order))
