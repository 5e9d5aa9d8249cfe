/* SPDX-License-Identifier: MIT */
#include "everywhere.h"
#include "resolver.h"
#include <lanyard/address.h>

static int text_is(const struct ly_address *a, const char *wanted)
{
    char text[LY_ADDRESS_TEXT];
    ly_address_format(a, text, sizeof text);
    if (strcmp(text, wanted) != 0)
        fprintf(stderr, "%s, not %s\n", text, wanted);
    return strcmp(text, wanted) == 0;
}

static int what_needs_no_resolver_does_not_ask_one(void *arg)
{
    struct ly_address list[4];
    int asked = resolver_asked();
    (void)arg;
    NEED_INT(ly_resolve("tcp://127.0.0.1:1", false, list, 4), 1);
    NEED_INT(ly_resolve("tcp://[::1]:1", true, list, 4), 1);
    NEED_INT(ly_resolve("unix:/x", false, list, 4), 1);
    NEED_INT(ly_resolve("tcp://:7", true, list, 4), 2);
    NEED(text_is(&list[0], "tcp://[::]:7") && text_is(&list[1], "tcp://0.0.0.0:7"));
    NEED_INT(ly_resolve("tcp://:7", false, list, 4), 2);
    NEED(text_is(&list[0], "tcp://[::1]:7") && text_is(&list[1], "tcp://127.0.0.1:7"));
    NEED_INT(ly_resolve("tcp://:7", false, list, 1), 1);
    NEED_INT(ly_resolve("udp://:7", true, list, 4), 2);
    NEED(text_is(&list[0], "udp://[::]:7") && text_is(&list[1], "udp://0.0.0.0:7"));
    NEED_INT(ly_resolve("unix-dgram:", true, list, 4), 1);
    NEED_INT(ly_resolve("bad", false, list, 4), LY_EADDRESS);
    NEED_INT(ly_resolve("tcp://127.0.0.1:1", false, list, 0), -EINVAL);
    NEED_INT(resolver_asked(), asked);
    return 0;
}

static int the_order_is_the_resolvers_without_repetitions(void *arg)
{
    static const char *const hosts[] = {"10.0.0.2", "2001:db8::5", "10.0.0.2", "10.0.0.1", NULL};
    struct ly_address list[8];
    (void)arg;
    resolver_answers(hosts);
    NEED_INT(ly_resolve("tcp://some.example:80", false, list, 8), 3);
    NEED(text_is(&list[0], "tcp://10.0.0.2:80"));
    NEED(text_is(&list[1], "tcp://[2001:db8::5]:80"));
    NEED(text_is(&list[2], "tcp://10.0.0.1:80"));
    NEED_INT(ly_resolve("tcp://some.example:80", false, list, 2), 2);
    NEED_INT(ly_resolve("udp://some.example:80", false, list, 8), 3);
    NEED(text_is(&list[0], "udp://10.0.0.2:80") && text_is(&list[1], "udp://[2001:db8::5]:80"));
    return 0;
}

static int the_resolvers_errors_have_numbers_of_their_own(void *arg)
{
    static const char *const none[] = {NULL};
    static const int codes[][2] = {{EAI_NONAME, LY_ENONAME}, {EAI_NODATA, LY_ENONAME},
                                   {EAI_AGAIN, LY_ERESOLVE}, {EAI_FAIL, LY_ERESOLVE},
                                   {EAI_MEMORY, -ENOMEM},    {0, LY_ENONAME}};
    struct ly_address list[1];
    (void)arg;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        resolver_set(none, codes[i][0], false);
        NEED_INT(ly_resolve("tcp://some.example:80", false, list, 1), codes[i][1]);
    }
    return 0;
}

static int a_deadline_ends_the_wait_for_a_silent_resolver(void *arg)
{
    static const char *const hosts[] = {"10.0.0.1", NULL};
    struct ly_scope *scope;
    struct ly_address list[1];
    (void)arg;
    resolver_set(hosts, 0, true);
    NEED_OK(ly_scope_open(&scope, &(struct ly_scope_options){.deadline = ly_deadline(10)}));
    NEED_INT(ly_resolve("tcp://some.example:80", false, list, 1), -ETIMEDOUT);
    NEED_INT(ly_resolve("tcp://some.example:80", false, list, 1), -ETIMEDOUT); /* not even asked */
    ly_scope_close(scope);
    resolver_answers(hosts); /* the answer comes when nobody wants it any more */
    resolver_settle();
    NEED_INT(ly_resolve("tcp://some.example:80", false, list, 1), 1);
    return 0;
}

static int look_up(void *arg)
{
    struct ly_address list[1];
    (void)arg;
    return ly_resolve("tcp://some.example:80", false, list, 1);
}

static int cancelling_ends_the_wait_too(void *arg)
{
    static const char *const hosts[] = {"10.0.0.1", NULL};
    struct ly_scope *around, *scope;
    struct ly_future *f;
    int asked = resolver_asked();
    (void)arg;
    resolver_set(hosts, 0, true);
    NEED_OK(ly_scope_open(&around, NULL));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_async(scope, &f, look_up, NULL));
    while (resolver_asked() == asked)
        NEED_OK(ly_sleep(1));
    ly_scope_cancel(scope);
    ly_scope_close(scope); /* returns although the resolver has not */
    ly_scope_close(around);
    resolver_answers(hosts);
    resolver_settle();
    return 0;
}

static int more_lookups_than_threads_are_all_answered(void *arg)
{
    static const char *const hosts[] = {"10.0.0.1", NULL};
    enum { LOOKUPS = 50 };
    struct ly_scope *scope;
    struct ly_future *f[LOOKUPS];
    int asked = resolver_asked();
    (void)arg;
    resolver_set(hosts, 0, true);
    NEED_OK(ly_scope_open(&scope, NULL));
    for (int i = 0; i < LOOKUPS; i++)
        NEED_OK(ly_async(scope, &f[i], look_up, NULL));
    while (resolver_asked() < asked + 32)
        NEED_OK(ly_sleep(1));
    resolver_answers(hosts);
    for (int i = 0; i < LOOKUPS; i++)
        NEED_INT(ly_await(f[i], NULL), 1);
    ly_scope_close(scope);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(what_needs_no_resolver_does_not_ask_one),
        BODY(the_order_is_the_resolvers_without_repetitions),
        BODY(the_resolvers_errors_have_numbers_of_their_own),
        BODY(a_deadline_ends_the_wait_for_a_silent_resolver),
        BODY(cancelling_ends_the_wait_too),
        BODY(more_lookups_than_threads_are_all_answered),
    };
    return EVERYWHERE("net/resolve", bodies);
}
