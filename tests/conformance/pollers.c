/* SPDX-License-Identifier: MIT */
/* Part L: pollers, C141 to C147. */
#include "pollers.h"

ROW(C141_level_triggered_as_long_as_data_is_unread, ALL)
{
    char byte[8];
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, c) == 0);
    NEED(events_within(c, NOW) == 0);
    NEED(send(c->b, "ab", 2, 0) == 2);
    for (int i = 0; i < 3; i++) {
        NEED(events_within(c, SOON) == LY_POLL_IN);
        NEED(c->event[0].fd == c->a && c->event[0].data == c);
    }
    NEED(recv(c->a, byte, 1, 0) == 1);
    NEED(events_within(c, SOON) == LY_POLL_IN); /* a byte is left */
    NEED(recv(c->a, byte, 8, 0) == 1);
    NEED(events_within(c, NOW) == 0);
    return 0;
}

ROW(C142_the_default_mask_is_in_pri_out, ALL)
{
    NEED(LY_POLL_DEFAULT == (LY_POLL_IN | LY_POLL_PRI | LY_POLL_OUT));
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_DEFAULT, NULL) == 0);
    NEED(events_within(c, SOON) == LY_POLL_OUT);
    NEED(send(c->b, "ab", 2, 0) == 2);
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    NEED(events_within(c, SOON) == LY_POLL_IN);
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_DEFAULT, NULL) == 0);
    NEED(events_within(c, SOON) == (LY_POLL_IN | LY_POLL_OUT));
    NEED(send(c->b, "!", 1, MSG_OOB) == 1);
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_PRI, NULL) == 0);
    NEED(events_within(c, SOON) == LY_POLL_PRI);
    return 0;
}

ROW(C142_the_timeout_is_in_milliseconds_and_never_cut_short, ALL)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    for (int ms = 1; ms < 30; ms += 9) {
        int64_t start = ly_now();
        NEED(ly_poller_wait(c->poller, c->event, 1, ms) == 0);
        NEED(ly_now() - start >= ms * INT64_C(1000000));
    }
    NEED(ly_poller_wait(c->poller, c->event, 1, -2) == -EINVAL);
    NEED(ly_poller_wait(c->poller, c->event, 1, INT64_MIN) == -EINVAL);
    return 0;
}

ROW(C142_unknown_descriptors_are_an_error, ALL)
{
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_IN, NULL) == -ENOENT);
    NEED(ly_poller_unregister(c->poller, c->a) == -ENOENT);
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    NEED(ly_poller_unregister(c->poller, c->a) == 0);
    NEED(ly_poller_unregister(c->poller, c->a) == -ENOENT);
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_IN, NULL) == -ENOENT);
    NEED(ly_poller_register(c->poller, -1, LY_POLL_IN, NULL) == -EBADF);
    NEED(ly_poller_register(c->poller, INT32_MAX, LY_POLL_IN, NULL) == -EBADF);
    NEED(ly_poller_unregister(c->poller, -1) == -ENOENT);
    NEED(ly_poller_unregister(c->poller, INT32_MAX) == -ENOENT);
    return 0;
}

ROW(C142_a_closed_descriptor_gives_nval, SELECT | POLL)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, c) == 0);
    NEED(events_within(c, NOW) == 0); /* no descriptor is opened from here on */
    close_fd(&c->a);
    NEED(events_within(c, SOON) == LY_POLL_NVAL);
    NEED(events_within(c, SOON) == LY_POLL_NVAL);
    NEED(ly_poller_unregister(c->poller, c->event[0].fd) == 0);
    NEED(events_within(c, NOW) == 0);
    return 0;
}

/* A request that is in flight holds the file; what is armed after that finds nothing. */
ROW(C142_a_descriptor_closed_before_it_is_armed_gives_nval, URING)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_OUT, c) == 0);
    NEED(events_within(c, SOON) == LY_POLL_OUT);
    close_fd(&c->a);
    NEED(events_within(c, SOON) == LY_POLL_NVAL);
    NEED(ly_poller_unregister(c->poller, c->event[0].fd) == 0);
    NEED(events_within(c, NOW) == 0);
    return 0;
}

ROW(C143_the_peers_end_is_input_and_reading_gives_nothing, ALL)
{
    char byte;
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    close_fd(&c->b);
    NEED(events_within(c, SOON) == LY_POLL_IN);
    NEED(recv(c->a, &byte, 1, 0) == 0);
    NEED(events_within(c, SOON) == LY_POLL_IN); /* it stays so */
    return 0;
}

ROW(C143_rdhup_only_if_asked_for, POLL | EPOLL | URING)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN | LY_POLL_RDHUP, NULL) == 0);
    NEED(shutdown(c->b, SHUT_WR) == 0);
    NEED(events_within(c, SOON) == (LY_POLL_IN | LY_POLL_RDHUP));
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_RDHUP, NULL) == 0);
    NEED(events_within(c, SOON) == LY_POLL_RDHUP);
    NEED(LY_POLL_RDHUP == 0x2000);
    return 0;
}

static void reset_peer(struct cell *c)
{
    struct linger none = {.l_onoff = 1};
    setsockopt(c->b, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close_fd(&c->b);
}

ROW(C143_a_reset_is_in_err_and_hup, POLL | EPOLL | URING)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    reset_peer(c);
    NEED(events_within(c, SOON) == 0x19);
    return 0;
}

ROW(C143_a_reset_is_input_to_select, SELECT)
{
    char byte;
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN | LY_POLL_RDHUP, NULL) == 0);
    reset_peer(c);
    NEED(events_within(c, SOON) == LY_POLL_IN);
    NEED(recv(c->a, &byte, 1, 0) == -1 && errno == ECONNRESET);
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_RDHUP, NULL) == -EOPNOTSUPP);
    return 0;
}

ROW(C144_an_edge_is_reported_once_per_arrival, EPOLL | URING)
{
    char bytes[8];
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN | LY_POLL_EDGE, NULL) == 0);
    NEED(send(c->b, "abc", 3, 0) == 3);
    NEED(events_within(c, SOON) == LY_POLL_IN);
    NEED(recv(c->a, bytes, 1, 0) == 1);
    NEED(events_within(c, 20) == 0); /* the rest stays silent */
    NEED(send(c->b, "d", 1, 0) == 1);
    NEED(events_within(c, SOON) == LY_POLL_IN);
    NEED(recv(c->a, bytes, 8, 0) == 3 && memcmp(bytes, "bcd", 3) == 0);
    NEED(events_within(c, 20) == 0);
    return 0;
}

ROW(C144_edges_only_where_the_mechanism_has_them, SELECT | POLL)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN | LY_POLL_EDGE, NULL) == -EOPNOTSUPP);
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_IN | LY_POLL_EDGE, NULL) == -EOPNOTSUPP);
    NEED(send(c->b, "a", 1, 0) == 1);
    NEED(events_within(c, SOON) == LY_POLL_IN); /* as it was */
    return 0;
}

ROW(C145_one_shot_reports_once_until_modified, ALL)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN | LY_POLL_ONESHOT, NULL) == 0);
    NEED(send(c->b, "a", 1, 0) == 1);
    NEED(events_within(c, SOON) == LY_POLL_IN);
    NEED(send(c->b, "b", 1, 0) == 1);
    NEED(events_within(c, 20) == 0);
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == -EEXIST); /* it is still registered */
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_IN | LY_POLL_ONESHOT, NULL) == 0);
    NEED(events_within(c, SOON) == LY_POLL_IN);
    NEED(events_within(c, 20) == 0);
    return 0;
}

ROW(C145_one_shot_goes_with_edges, EPOLL | URING)
{
    unsigned events = LY_POLL_IN | LY_POLL_ONESHOT | LY_POLL_EDGE;
    NEED(ly_poller_register(c->poller, c->a, events, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        NEED(send(c->b, "a", 1, 0) == 1);
        NEED(events_within(c, SOON) == LY_POLL_IN);
        NEED(send(c->b, "b", 1, 0) == 1);
        NEED(events_within(c, 20) == 0);
        NEED(ly_poller_modify(c->poller, c->a, events, NULL) == 0);
        NEED(events_within(c, SOON) == LY_POLL_IN); /* what is unread counts as new */
        NEED(ly_poller_modify(c->poller, c->a, events, NULL) == 0);
        NEED(events_within(c, SOON) == LY_POLL_IN);
        char bytes[8];
        NEED(recv(c->a, bytes, 8, 0) == 2);
        NEED(ly_poller_modify(c->poller, c->a, events, NULL) == 0);
        NEED(events_within(c, NOW) == 0);
    }
    return 0;
}

ROW(C146_registering_twice_is_an_error, ALL)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, c) == 0);
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_OUT, NULL) == -EEXIST);
    NEED(events_within(c, NOW) == 0); /* the first one holds */
    NEED(send(c->b, "a", 1, 0) == 1);
    NEED(events_within(c, SOON) == LY_POLL_IN && c->event[0].data == c);
    return 0;
}

ROW(C146_a_regular_file_is_refused_by_epoll_and_ready_elsewhere, ALL)
{
    FILE *file = tmpfile();
    NEED(file);
    int r = ly_poller_register(c->poller, fileno(file), LY_POLL_IN, NULL);
    if (c->name[0] == 'e') {
        NEED(r == -EPERM);
        NEED(ly_poller_unregister(c->poller, fileno(file)) == -ENOENT);
    } else {
        NEED(r == 0);
        NEED(events_within(c, SOON) == LY_POLL_IN);
        NEED(events_within(c, SOON) == LY_POLL_IN);
        NEED(ly_poller_unregister(c->poller, fileno(file)) == 0);
    }
    fclose(file);
    return 0;
}

ROW(C146_room_for_no_event_is_an_error, ALL)
{
    NEED(ly_poller_wait(c->poller, c->event, 0, NOW) == -EINVAL);
    NEED(ly_poller_wait(c->poller, c->event, -1, NOW) == -EINVAL);
    NEED(ly_poller_register(c->poller, c->a, 1u << 20, NULL) == -EINVAL);
    return 0;
}

ROW(C146_use_after_close_is_an_error_and_closing_twice_fine, ALL)
{
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    ly_poller_close(c->poller);
    ly_poller_close(c->poller);
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == -EBADF);
    NEED(ly_poller_modify(c->poller, c->a, LY_POLL_IN, NULL) == -EBADF);
    NEED(ly_poller_unregister(c->poller, c->a) == -EBADF);
    NEED(ly_poller_wait(c->poller, c->event, 1, NOW) == -EBADF);
    NEED(ly_poller_wake(c->poller) == -EBADF);
    NEED(ly_poller_fileno(c->poller) == -EBADF);
    NEED(strcmp(ly_poller_name(c->poller), c->name) == 0);
    NEED(fcntl(c->a, F_GETFD) >= 0); /* what was registered stays open */
    return 0;
}

ROW(C146_its_descriptor_is_close_on_exec_and_pollable, ALL)
{
    struct ly_poller *outer = NULL;
    int fd = ly_poller_fileno(c->poller);
    NEED(fd >= 0 && fcntl(fd, F_GETFD) & FD_CLOEXEC);
    NEED(ly_poller_fileno(c->poller) == fd);
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    NEED(ly_poller_open(&outer, c->name) == 0);
    NEED(ly_poller_register(outer, fd, LY_POLL_IN, NULL) == 0);
    NEED(events_within(c, NOW) == 0);
    for (int i = 0; i < 3; i++) { /* it may be readable without cause once, not for ever */
        if (ly_poller_wait(outer, c->event, 16, 20) == 0)
            break;
        NEED(i < 2 && events_within(c, NOW) == 0);
    }
    NEED(send(c->b, "a", 1, 0) == 1);
    for (int i = 0; i < 3; i++) { /* level triggered, through both */
        NEED(ly_poller_wait(outer, c->event, 16, SOON) == 1 && c->event[0].fd == fd);
        NEED(events_within(c, SOON) == LY_POLL_IN && c->event[0].fd == c->a);
    }
    ly_poller_free(outer);
    return 0;
}

ROW(C147_a_closed_socket_leaves_epoll_by_itself, EPOLL)
{
    int old = c->a, fd[2];
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    NEED(send(c->b, "a", 1, 0) == 1);
    close_fd(&c->a);
    NEED(events_within(c, 20) == 0);
    NEED(ly_poller_modify(c->poller, old, LY_POLL_IN, NULL) == -EBADF);
    close_fd(&c->b);
    NEED(tcp_pair(fd) == 0);
    c->b = fd[1];
    if (fd[0] != old) {
        NEED(dup3(fd[0], old, O_CLOEXEC) == old);
        close(fd[0]);
    }
    c->a = old; /* the number is used again, and registered without ado */
    NEED(ly_poller_modify(c->poller, old, LY_POLL_IN, NULL) == -ENOENT);
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, c) == 0);
    NEED(send(c->b, "b", 1, 0) == 1);
    NEED(events_within(c, SOON) == LY_POLL_IN && c->event[0].data == c);
    NEED(ly_poller_unregister(c->poller, c->a) == 0);
    return 0;
}

ROW(C147_a_duplicate_elsewhere_leaves_no_ghost, EPOLL)
{
    int twin = dup(c->a);
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    NEED(ly_poller_register(c->poller, c->b, LY_POLL_IN, c) == 0);
    NEED(ly_poller_unregister(c->poller, c->b) == 0 &&
         ly_poller_register(c->poller, c->b, LY_POLL_IN, c) == 0);
    int old = c->a;
    close_fd(&c->a);
    NEED(ly_poller_unregister(c->poller, old) == -EBADF);
    NEED(send(c->b, "a", 1, 0) == 1); /* epoll alone would report this for ever */
    NEED(events_within(c, 20) == 0);
    NEED(send(twin, "b", 1, 0) == 1);
    NEED(events_within(c, SOON) == LY_POLL_IN && c->event[0].data == c);
    close(twin);
    return 0;
}

ROW(C147_the_lists_of_poll_and_select_keep_it, SELECT | POLL)
{
    int old = c->a;
    NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN, NULL) == 0);
    NEED(events_within(c, NOW) == 0); /* no descriptor is opened from here on */
    close_fd(&c->a);
    NEED(ly_poller_register(c->poller, c->b, LY_POLL_OUT, NULL) == 0);
    bool seen[2] = {0};
    for (int tries = 0; tries < 8 && !(seen[0] && seen[1]); tries++) {
        int n = ly_poller_wait(c->poller, c->event, 1, SOON);
        NEED(n == 1);
        seen[c->event[0].fd == old] = true;
        if (c->event[0].fd == old) {
            NEED(c->event[0].events == LY_POLL_NVAL);
            NEED(c->name[0] == 'p' || ly_poller_unregister(c->poller, old) == 0);
        }
    }
    NEED(seen[0] && seen[1]);
    return 0;
}

POLLERS_MAIN(
    RUN(C141_level_triggered_as_long_as_data_is_unread), RUN(C142_the_default_mask_is_in_pri_out),
    RUN(C142_the_timeout_is_in_milliseconds_and_never_cut_short), RUN(C142_unknown_descriptors_are_an_error),
    RUN(C142_a_closed_descriptor_gives_nval), RUN(C142_a_descriptor_closed_before_it_is_armed_gives_nval),
    RUN(C143_the_peers_end_is_input_and_reading_gives_nothing), RUN(C143_rdhup_only_if_asked_for),
    RUN(C143_a_reset_is_in_err_and_hup), RUN(C143_a_reset_is_input_to_select),
    RUN(C144_an_edge_is_reported_once_per_arrival), RUN(C144_edges_only_where_the_mechanism_has_them),
    RUN(C145_one_shot_reports_once_until_modified), RUN(C145_one_shot_goes_with_edges),
    RUN(C146_registering_twice_is_an_error), RUN(C146_a_regular_file_is_refused_by_epoll_and_ready_elsewhere),
    RUN(C146_room_for_no_event_is_an_error), RUN(C146_use_after_close_is_an_error_and_closing_twice_fine),
    RUN(C146_its_descriptor_is_close_on_exec_and_pollable), RUN(C147_a_closed_socket_leaves_epoll_by_itself),
    RUN(C147_a_duplicate_elsewhere_leaves_no_ghost), RUN(C147_the_lists_of_poll_and_select_keep_it))
