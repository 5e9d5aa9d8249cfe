/* SPDX-License-Identifier: MIT */
#include "daemon/sessions.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct ly__sessions books;
static struct ly_address peer;
static const int worker, other_worker; /* owners are places in memory, no more */

static int open_books(void **state)
{
    (void)state;
    ly__sessions_open(&books);
    return ly_address_parse(&peer, "tcp://192.0.2.1:7");
}

static int close_books(void **state)
{
    (void)state;
    size_t left = ly__sessions_count(&books);
    ly__sessions_close(&books);
    return left == 0 ? 0 : -1;
}

static void drop(struct ly__entry *e)
{
    ly__sessions_remove(&books, e);
    ly__entry_free(e);
}

static void a_session_is_found_by_its_number_until_it_is_removed(void **state)
{
    (void)state;
    struct ly__entry *e[3 * LY__SESSIONS_LISTS];
    for (size_t i = 0; i < 3 * LY__SESSIONS_LISTS; i++) {
        e[i] = ly__sessions_add(&books, &peer, &worker);
        assert_non_null(e[i]);
        assert_int_equal(e[i]->state, LY__CONNECTED);
        assert_string_equal(e[i]->from, "tcp://192.0.2.1:7");
        assert_true(i == 0 || e[i]->number == e[i - 1]->number + 1);
    }
    assert_int_equal(ly__sessions_count(&books), 3 * LY__SESSIONS_LISTS);
    uint64_t last = e[0]->number;
    drop(e[0]);
    assert_null(ly__sessions_find(&books, last));
    assert_null(ly__sessions_find(&books, 0));
    for (size_t i = 1; i < 3 * LY__SESSIONS_LISTS; i++) {
        assert_ptr_equal(ly__sessions_find(&books, e[i]->number), e[i]);
        last = e[i]->number;
        drop(e[i]);
        assert_null(ly__sessions_find(&books, last));
    }
    struct ly__entry *next = ly__sessions_add(&books, &peer, NULL);
    assert_true(next->number > last); /* a number is nobody else's later */
    drop(next);
}

static void a_session_of_another_owner_is_not_found_by_this_one(void **state)
{
    (void)state;
    struct ly__entry *e = ly__sessions_add(&books, &peer, &worker);
    struct ly__entry *own = ly__sessions_add(&books, &peer, NULL);
    assert_ptr_equal(ly__sessions_find_of(&books, e->number, &worker), e);
    assert_null(ly__sessions_find_of(&books, e->number, &other_worker));
    assert_null(ly__sessions_find_of(&books, e->number, NULL));
    assert_null(ly__sessions_find_of(&books, own->number, &worker));
    assert_ptr_equal(ly__sessions_find_of(&books, own->number, NULL), own);
    drop(e);
    drop(own);
}

static void only_its_owner_says_what_a_session_does_and_in_as_many_bytes_as_there_are(void **state)
{
    (void)state;
    char text[2 * LY__DOING];
    struct ly__entry *e = ly__sessions_add(&books, &peer, &worker);
    uint64_t number = e->number;
    ly__sessions_note(&books, number, &other_worker, "forged");
    assert_string_equal(e->doing, "");
    assert_int_equal(e->last, 0);
    ly__sessions_note(&books, number, &worker, "get a");
    assert_string_equal(e->doing, "get a");
    assert_true(e->last > 0 && e->doing_at == e->last);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    ly__sessions_note(&books, number, &worker, text);
    assert_int_equal(strlen(e->doing), LY__DOING - 1);
    drop(e);
    ly__sessions_note(&books, number, &worker, "late");
}

static void count_owned(void *arg, struct ly__entry *e)
{
    size_t *n = arg;
    *n += e->owner == &worker;
}

static void each_is_looked_at_once(void **state)
{
    (void)state;
    size_t n = 0;
    struct ly__entry *e[300];
    for (size_t i = 0; i < 300; i++)
        e[i] = ly__sessions_add(&books, &peer, i % 3 ? &worker : NULL);
    ly__sessions_each(&books, count_owned, &n);
    assert_int_equal(n, 200);
    for (size_t i = 0; i < 300; i++)
        drop(e[i]);
}

static void *come_and_go(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct ly__entry *e = ly__sessions_add(&books, &peer, arg);
        if (!e || ly__sessions_find_of(&books, e->number, arg) != e)
            return arg;
        ly__sessions_note(&books, e->number, arg, "a deed");
        drop(e);
    }
    return NULL;
}

static void threads_have_one_book(void **state)
{
    (void)state;
    pthread_t threads[4];
    static const int owners[4];
    void *failed;
    size_t n = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, (void *)(uintptr_t)&owners[i]), 0);
    for (int i = 0; i < 100; i++)
        ly__sessions_each(&books, count_owned, &n);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(ly__sessions_count(&books), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_books, close_books)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_found_by_its_number_until_it_is_removed),
        TEST(a_session_of_another_owner_is_not_found_by_this_one),
        TEST(only_its_owner_says_what_a_session_does_and_in_as_many_bytes_as_there_are),
        TEST(each_is_looked_at_once),
        TEST(threads_have_one_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
