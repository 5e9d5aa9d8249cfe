/* SPDX-License-Identifier: MIT */
/* The keys of tickets: what each epoch has, and which are accepted. */
#include "../everywhere.h"

#include "../../../src/net/tls_ticket.c" /* for its statics */
#include <stdlib.h>

static struct ly_tls *new_context(void)
{
    struct ly_tls *t = calloc(1, sizeof *t);
    assert_non_null(t);
    pthread_mutex_init(&t->lock, NULL);
    t->ssl = SSL_CTX_new(TLS_server_method());
    assert_non_null(t->ssl);
    assert_int_equal(ly__tickets_init(t), 0);
    return t;
}

static void free_context(struct ly_tls *t)
{
    SSL_CTX_free(t->ssl);
    ly__tickets_done(t);
    free(t);
}

static void each_epoch_has_keys_of_its_own(void **state)
{
    struct ly_tls *t = new_context();
    struct ly__ticket_keys now, again, next, later;
    (void)state;
    assert_true(keys_of(t, 4, &now) && keys_of(t, 5, &next) && keys_of(t, 6, &later));
    assert_true(keys_of(t, 4, &again)); /* made anew: its place was taken */
    assert_memory_equal(now.name, again.name, sizeof now.name);
    assert_memory_equal(now.cipher, again.cipher, sizeof now.cipher);
    assert_memory_equal(now.mac, again.mac, sizeof now.mac);
    assert_memory_not_equal(now.name, next.name, sizeof now.name);
    assert_memory_not_equal(now.cipher, next.cipher, sizeof now.cipher);
    assert_memory_not_equal(next.mac, later.mac, sizeof now.mac);
    assert_memory_not_equal(now.cipher, now.mac, sizeof now.mac);
    free_context(t);
}

static void contexts_share_no_keys(void **state)
{
    struct ly_tls *a = new_context(), *b = new_context();
    struct ly__ticket_keys of_a, of_b;
    (void)state;
    assert_true(keys_of(a, 4, &of_a) && keys_of(b, 4, &of_b));
    assert_memory_not_equal(of_a.cipher, of_b.cipher, sizeof of_a.cipher);
    assert_memory_not_equal(of_a.name, of_b.name, sizeof of_a.name);
    free_context(a);
    free_context(b);
}

static void this_epochs_keys_and_the_last_ones_are_accepted(void **state)
{
    struct ly_tls *t = new_context();
    struct ly__ticket_keys keys, found;
    unsigned char name[LY__TICKET_NAME];
    int64_t now = epoch_now();
    (void)state;
    assert_int_equal(find_keys(t, name, &found, true), 1);
    assert_true(keys_of(t, now, &keys));
    assert_memory_equal(name, keys.name, sizeof name);
    for (int64_t back = 0; back < 4; back++) {
        if (now < back)
            break; /* a machine that has just been started */
        assert_true(keys_of(t, now - back, &keys));
        assert_int_equal(find_keys(t, keys.name, &found, false), back < 2);
    }
    assert_true(keys_of(t, now + 1, &keys));
    assert_int_equal(find_keys(t, keys.name, &found, false), 0);
    free_context(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_epoch_has_keys_of_its_own),
        cmocka_unit_test(contexts_share_no_keys),
        cmocka_unit_test(this_epochs_keys_and_the_last_ones_are_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
