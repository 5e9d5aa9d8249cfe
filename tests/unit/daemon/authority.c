/* SPDX-License-Identifier: MIT */
/* The decider with its real books, users and gate, asked as sessions ask it. */
#include "daemon/authority.h"
#include "auth/pairing.h"
#include "auth/roles.h"
#include "auth/store_file.h"
#include "daemon/become.h"
#include "supervised.h"

#include "../handshakes.h"

static struct ly__decider d;
static const int worker, other_worker; /* owners are places in memory, no more */
static const uint8_t channel[LY__BINDING] = "the channel";
static struct certificate machine, device;

static int open_decider(void)
{
    memset(&d, 0, sizeof d);
    d.root_fd = -1;
    d.root = "/srv/all/";
    d.home = "/";
    d.store = store;
    d.failures = failures;
    d.penalties = penalties;
    d.admission = admission;
    ly__decider_open(&d);
    atomic_store(&d.commands.most, 4);
    return ly__proof_server(&d.shown, machine.pem);
}

static int close_decider(void)
{
    ly__decider_disown(&d, &worker);
    ly__decider_disown(&d, &other_worker);
    CHECK(ly__sessions_count(&d.sessions) == 0 && d.commands.running == 0);
    ly__decider_close(&d);
    return 0;
}

static struct ly_address address(const char *text)
{
    struct ly_address a;
    if (ly_address_parse(&a, text) < 0)
        abort();
    return a;
}

static uint64_t knock(const char *from, const void *owner)
{
    struct ly_address peer = address(from);
    return ly__decider_connect(&d, &peer, owner, &(struct ly__ticket){.deadline = ly_deadline(PATIENCE_MS)});
}

/* key: of a client that proves it in a handshake; NULL: it shows none. */
static int begin(uint64_t number, const struct certificate *key, struct ly__grant *ret_grant)
{
    struct ly__origin o = {.is_bound = true};
    struct ly__tls_proof proof;
    memcpy(o.binding, channel, sizeof channel);
    ly__tls_proof_init(&proof);
    if (key) {
        struct shaking s = {.server = &machine,
                            .client = key,
                            .challenge = ly__sessions_find(&d.sessions, number)->challenge};
        CHECK(prove(&s, &proof) == 0);
        o.proof = &proof;
    }
    int r = d.authority.calls->begin(&d.authority, &o, &number, ret_grant);
    ly__tls_proof_done(&proof);
    return r;
}

/* A whole login. */
static int log_in_on(uint64_t number, const char *name, const char *password, const uint8_t *binding,
                     struct ly__grant *ret_grant)
{
    struct ly__scram_client *c;
    struct ly_buffer there, back;
    ly_buffer_init(&there, 4096);
    ly_buffer_init(&back, 4096);
    int r = ly__scram_client_new(&c, name, password, binding);
    for (int step = 0; r == 0 && step < 2; step++) {
        ly_buffer_clear(&there);
        r = ly__scram_client_step(c, ly_buffer_bytes(&back), back.length, &there);
        ly_buffer_clear(&back);
        if (r == 0)
            r = d.authority.calls->login(&d.authority, number, LY__SCRAM_MECHANISM, ly_buffer_bytes(&there),
                                         there.length, &back, ret_grant);
    }
    ly__scram_client_free(c);
    ly_buffer_done(&there);
    ly_buffer_done(&back);
    return r;
}

static int log_in(uint64_t number, const char *name, const char *password, struct ly__grant *ret_grant)
{
    return log_in_on(number, name, password, channel, ret_grant);
}

static int add(const char *name, const struct ly__user *like)
{
    struct ly__user u = *like;
    (void)ly__user_remove(store, name);
    snprintf(u.name, sizeof u.name, "%s", name);
    return ly__user_add(store, &u, "pass word");
}

/* A session of a new user's that is logged in; 0: it did not come to that. */
static uint64_t enter(const char *name, const char *from)
{
    struct ly__grant g;
    uint64_t number = knock(from, &worker);
    return begin(number, NULL, &g) == 0 && log_in(number, name, "pass word", &g) == 1 ? number : 0;
}

/* ---- who it is ---- */

static int local(void *arg)
{
    struct ly_address peer = address("unix:/run/x");
    struct ly__origin o = {.peer = &peer, .is_local = true, .uid = geteuid()};
    struct ly__grant g;
    uint64_t number = 0;
    (void)arg;
    CHECK(open_decider() == 0);
    CHECK(d.authority.calls->begin(&d.authority, &o, &number, &g) == 1);
    CHECK(number > 0 && g.roles == LY__ROLES_ALL && strcmp(g.user, account) == 0);
    d.authority.calls->end(&d.authority, number, 0);
    return close_decider();
}

static void who_reaches_the_socket_of_this_machine_is_its_account_and_may_everything(void **state)
{
    (void)state;
    assert_int_equal(in_loop(local), 0);
}

static int unbound(void *arg)
{
    struct ly__origin o = {.is_bound = false};
    struct ly__grant g = {.roles = 0};
    (void)arg;
    CHECK(open_decider() == 0);
    uint64_t number = knock("tcp://192.0.2.1:7", &worker), none = 99;
    CHECK(d.authority.calls->begin(&d.authority, &o, &number, &g) == LY_EREFUSED && g.roles == 0);
    CHECK(begin(none, NULL, &g) == LY_EREFUSED);
    d.store = NULL;
    CHECK(begin(number, NULL, &g) == LY_EREFUSED);
    return close_decider();
}

static void nobody_begins_without_a_channel_a_session_or_a_store(void **state)
{
    (void)state;
    assert_int_equal(in_loop(unbound), 0);
}

static int by_password(void *arg)
{
    struct ly__grant g;
    (void)arg;
    CHECK(open_decider() == 0);
    CHECK(add("ann", &(struct ly__user){.roles = LY__READ, .directory = "/srv/all/ann", .bandwidth = 5}) ==
          0);
    uint64_t number = knock("tcp://192.0.2.1:7", &worker);
    CHECK(begin(number, NULL, &g) == 0);
    CHECK(log_in(number, "ann", "pass word", &g) == 1);
    CHECK(strcmp(g.user, "ann") == 0 && g.roles == LY__READ && g.bandwidth == 5);
    CHECK(strcmp(g.directory, "ann") == 0);
    CHECK(log_in(number, "ann", "pass word", &g) == LY_EFIELD); /* once is enough */
    return close_decider();
}

static void a_password_lets_in_with_what_the_user_has(void **state)
{
    (void)state;
    assert_int_equal(in_loop(by_password), 0);
}

static int wrong_logins(void *arg)
{
    static const uint8_t elsewhere[LY__BINDING] = "another channel";
    struct ly__grant g = {.roles = 0};
    (void)arg;
    CHECK(open_decider() == 0);
    CHECK(add("ann", &(struct ly__user){.roles = LY__READ}) == 0);
    for (int i = 0; i < 5; i++) {
        uint64_t number = knock("tcp://198.51.100.9:7", &worker);
        struct ly_address guilty = address("tcp://198.51.100.9:7");
        CHECK(begin(number, NULL, &g) == 0);
        int r = i == 0   ? log_in(number, "ann", "another", &g)
                : i == 1 ? log_in(number, "eve", "pass word", &g)
                         : log_in_on(number, "ann", "pass word", elsewhere, &g);
        CHECK(r == LY_EDENIED && g.roles == 0);
        CHECK(log_in(number, "ann", "pass word", &g) == LY_EFIELD); /* one attempt a session */
        CHECK(i < 4 || ly__penalties_left(penalties, &guilty, ly_now()) > 0);
        d.authority.calls->end(&d.authority, number, LY_EDENIED);
    }
    return close_decider();
}

static void a_failed_login_is_the_sessions_last_and_is_charged(void **state)
{
    (void)state;
    assert_int_equal(in_loop(wrong_logins), 0);
}

/* What reads users finds their table under this name. */
static int rename_users(const char *sql)
{
    int r = ly__store_begin(store);
    if (r < 0)
        return r;
    r = ly__store_run(store, sql, "");
    r = ly__store_end(store, r);
    return r < 0 ? r : 0;
}

static int failing_store(void *arg)
{
    struct ly__grant g = {.roles = 0};
    struct ly_address innocent = address("tcp://198.51.100.77:7");
    (void)arg;
    CHECK(open_decider() == 0);
    CHECK(add("ann", &(struct ly__user){.roles = LY__READ}) == 0);
    CHECK(rename_users("ALTER TABLE users RENAME TO lost") == 0);
    for (int i = 0; i < 5; i++) {
        uint64_t number = knock("tcp://198.51.100.77:7", &worker);
        CHECK(begin(number, NULL, &g) == 0);
        int r = log_in(number, "ann", "pass word", &g);
        CHECK(r < 0 && r != LY_EDENIED && r != LY_EFIELD && g.roles == 0);
        CHECK(log_in(number, "ann", "pass word", &g) == LY_EFIELD);
        d.authority.calls->end(&d.authority, number, r);
    }
    CHECK(ly__penalties_left(penalties, &innocent, ly_now()) == 0);
    CHECK(rename_users("ALTER TABLE lost RENAME TO users") == 0);
    CHECK(enter("ann", "tcp://198.51.100.77:7") > 0);
    return close_decider();
}

static void nobody_is_charged_for_a_store_that_fails(void **state)
{
    (void)state;
    assert_int_equal(in_loop(failing_store), 0);
}

static int by_code(void *arg)
{
    char code[LY__PAIRING_CODE], slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET], name[32];
    struct ly__grant g;
    (void)arg;
    CHECK(open_decider() == 0);
    CHECK(add("ann", &(struct ly__user){.roles = LY__READ}) == 0);
    CHECK(ly__pairing_make(store, "ann", NULL, code) == 0);
    CHECK(ly__pairing_read(code, slot, secret) == 0);
    snprintf(name, sizeof name, LY__PAIRING_PREFIX "%s", slot);
    uint64_t guess = knock("tcp://192.0.2.2:7", &worker), late = knock("tcp://192.0.2.3:7", &worker);
    CHECK(begin(guess, &device, &g) == 0 && begin(late, &device, &g) == 0);
    CHECK(log_in(guess, name, "000000000000", &g) == LY_EDENIED);
    CHECK(log_in(late, name, secret, &g) == LY_EDENIED); /* the guess has used it up */
    CHECK(ly__pairing_make(store, "ann", NULL, code) == 0);
    CHECK(ly__pairing_read(code, slot, secret) == 0);
    snprintf(name, sizeof name, LY__PAIRING_PREFIX "%s", slot);
    uint64_t number = knock("tcp://192.0.2.4:7", &worker), again = knock("tcp://192.0.2.5:7", &worker);
    CHECK(begin(number, &device, &g) == 0 && log_in(number, name, secret, &g) == 1);
    CHECK(strcmp(g.user, "ann") == 0);
    CHECK(begin(again, &device, &g) == 1 && strcmp(g.user, "ann") == 0); /* by its key, without a word */
    return close_decider();
}

static void a_code_is_good_for_one_attempt_and_then_its_device_needs_none(void **state)
{
    (void)state;
    assert_int_equal(in_loop(by_code), 0);
}

static int directories(void *arg)
{
    static const char *const outside[] = {"/srv", "/srv/allother", "/etc", "/"};
    struct ly__grant g = {.roles = 0};
    (void)arg;
    CHECK(open_decider() == 0);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        struct ly__user u = {.roles = LY__READ};
        snprintf(u.directory, sizeof u.directory, "%s", outside[i]);
        CHECK(add("dan", &u) == 0);
        uint64_t number = knock("tcp://192.0.2.6:7", &worker);
        CHECK(begin(number, NULL, &g) == 0);
        CHECK(log_in(number, "dan", "pass word", &g) == LY_EOUTSIDE && g.roles == 0);
    }
    return close_decider();
}

static void a_directory_that_is_not_below_the_served_one_lets_nobody_in(void **state)
{
    (void)state;
    assert_int_equal(in_loop(directories), 0);
}

static int too_many(void *arg)
{
    struct ly__grant g;
    (void)arg;
    CHECK(open_decider() == 0);
    CHECK(add("hal", &(struct ly__user){.roles = LY__READ, .sessions = 1}) == 0);
    CHECK(add("ivy", &(struct ly__user){.roles = LY__READ, .sessions = 1}) == 0);
    uint64_t first = enter("hal", "tcp://203.0.113.1:7");
    uint64_t second = knock("tcp://203.0.113.2:7", &worker);
    CHECK(first > 0 && begin(second, NULL, &g) == 0 &&
          log_in(second, "hal", "pass word", &g) == LY_ESESSIONS);
    CHECK(enter("ivy", "tcp://203.0.113.3:7") > 0); /* others are not in the way */
    d.authority.calls->end(&d.authority, first, 0);
    CHECK(enter("hal", "tcp://203.0.113.4:7") > 0);
    return close_decider();
}

static void a_user_has_no_more_sessions_than_are_granted(void **state)
{
    (void)state;
    assert_int_equal(in_loop(too_many), 0);
}

/* ---- commands ---- */

static int start(uint64_t number, struct ly__child **ret_child, char where[LY__LAUNCH_WHERE])
{
    static const char *const argv[] = {"/bin/sleep", "600", NULL}, *const none[] = {NULL};
    return d.authority.calls->start(
        &d.authority, number, &(struct ly__launch){.argv = argv, .env = none, .cwd = "/"}, ret_child, where);
}

static int commands(void *arg)
{
    static const char *const none[] = {NULL};
    struct ly__child *c[2], *more;
    char where[LY__LAUNCH_WHERE];
    struct ly__user u = {.roles = LY__EXEC};
    (void)arg;
    CHECK(open_decider() == 0);
    d.env = none;
    snprintf(u.account, sizeof u.account, "%s", account);
    CHECK(add("ann", &u) == 0 && add("ben", &(struct ly__user){.roles = LY__READ | LY__WRITE}) == 0);
    uint64_t ann = enter("ann", "tcp://203.0.113.5:7"), ben = enter("ben", "tcp://203.0.113.6:7");
    uint64_t stranger = knock("tcp://203.0.113.7:7", &worker);
    CHECK(ann > 0 && ben > 0);
    CHECK(start(ben, &more, where) == LY_EROLE && start(stranger, &more, where) == LY_EROLE);
    CHECK(start(12345, &more, where) == LY_EROLE && d.commands.running == 0);
    CHECK(start(ann, &c[0], where) == 0 && start(ann, &c[1], where) == 0);
    CHECK(start(ann, &more, where) == -EAGAIN && d.commands.running == 2); /* half of the places */
    c[0]->calls->free(c[0]);
    CHECK(d.commands.running == 1);
    CHECK(start(ann, &c[0], where) == 0);
    for (int i = 0; i < 2; i++)
        c[i]->calls->free(c[i]);
    CHECK(ly__decider_end(&d, ann, ly_now()) == &worker);
    CHECK(start(ann, &more, where) == -ECANCELED && d.commands.running == 0);
    return close_decider();
}

static void commands_are_started_for_who_has_the_role_while_there_are_places(void **state)
{
    (void)state;
    assert_int_equal(in_loop(commands), 0);
}

static int failed_start(void *arg)
{
    static const char *const none[] = {NULL};
    struct ly__child *c;
    char where[LY__LAUNCH_WHERE] = "";
    (void)arg;
    CHECK(open_decider() == 0);
    d.env = none;
    CHECK(add("ann", &(struct ly__user){.roles = LY__EXEC, .account = "nobody-has-this"}) == 0);
    uint64_t ann = enter("ann", "tcp://203.0.113.8:7");
    CHECK(ann > 0 && start(ann, &c, where) == -ENOENT && strcmp(where, "nobody-has-this") == 0);
    CHECK(d.commands.running == 0);
    d.asks_first = true; /* what has not been asked for would not be in the trail */
    CHECK(start(ann, &c, where) == -ECANCELED && d.commands.running == 0);
    return close_decider();
}

static void a_command_that_is_not_started_takes_no_place(void **state)
{
    (void)state;
    assert_int_equal(in_loop(failed_start), 0);
}

/* ---- sessions that are to end ---- */

static void count_cut(void *arg, uint64_t number, const void *owner)
{
    int *cuts = arg;
    *cuts += number > 0 && owner == &worker;
}

static int overdue(void *arg)
{
    struct ly__grant g;
    int cuts = 0;
    (void)arg;
    CHECK(open_decider() == 0);
    CHECK(add("ann", &(struct ly__user){.roles = LY__READ}) == 0);
    CHECK(enter("ann", "tcp://203.0.113.9:7") > 0);
    uint64_t late = knock("tcp://203.0.113.10:7", &worker);
    int64_t now = ly_deadline(PATIENCE_MS + 1000);
    ly__decider_overdue(&d, ly_now(), count_cut, &cuts);
    CHECK(cuts == 0);
    ly__decider_overdue(&d, now, count_cut, &cuts);
    CHECK(cuts == 1); /* who has logged in has no deadline */
    ly__decider_overdue(&d, now, count_cut, &cuts);
    CHECK(cuts == 1); /* it was told once */
    CHECK(begin(late, NULL, &g) == -ECANCELED);
    CHECK(ly__decider_disobeyed(&d, now) == NULL);
    CHECK(ly__decider_disobeyed(&d, now + INT64_C(3600) * 1000000000) == &worker);
    return close_decider();
}

static void who_has_not_logged_in_by_the_deadline_is_cut_once(void **state)
{
    (void)state;
    assert_int_equal(in_loop(overdue), 0);
}

static int blamed(void *arg)
{
    struct ly_address stranger = address("tcp://[2001:db8::1]:7"), user = address("tcp://203.0.113.12:7"),
                      far = address("tcp://203.0.113.13:7");
    (void)arg;
    CHECK(open_decider() == 0);
    CHECK(add("ann", &(struct ly__user){.roles = LY__READ}) == 0);
    CHECK(enter("ann", "tcp://203.0.113.12:7") > 0 && knock("tcp://[2001:db8::1]:7", &worker) > 0);
    uint64_t elsewhere = knock("tcp://203.0.113.13:7", &other_worker);
    ly__decider_blame(&d, &worker, elsewhere); /* not one of its own: as if it had named none */
    CHECK(ly__penalties_left(penalties, &stranger, ly_now()) > 0);
    CHECK(ly__penalties_left(penalties, &user, ly_now()) == 0);
    CHECK(ly__penalties_left(penalties, &far, ly_now()) == 0);
    stranger = address("tcp://[2001:db8::ffff:2]:9"); /* of the same network of 64 bits */
    CHECK(ly__penalties_left(penalties, &stranger, ly_now()) > 0);
    stranger = address("tcp://[2001:db8:0:1::1]:7");
    CHECK(ly__penalties_left(penalties, &stranger, ly_now()) == 0);
    ly__decider_disown(&d, &worker);
    CHECK(ly__sessions_count(&d.sessions) == 1); /* the other worker's */
    return close_decider();
}

static void a_crash_is_charged_to_strangers_of_that_worker_before_users(void **state)
{
    (void)state;
    assert_int_equal(in_loop(blamed), 0);
}

static int forgotten(void *arg)
{
    struct ly__ticket ticket;
    struct ly__grant g;
    (void)arg;
    CHECK(open_decider() == 0);
    uint64_t number = knock("tcp://203.0.113.14:7", &worker);
    CHECK(!ly__decider_forget(&d, number, &other_worker, &ticket));
    CHECK(ly__decider_forget(&d, number, &worker, &ticket) && ly__sessions_count(&d.sessions) == 0);
    CHECK(!ly__decider_forget(&d, number, &worker, &ticket));
    number = knock("tcp://203.0.113.14:7", &worker);
    CHECK(begin(number, NULL, &g) == 0);
    CHECK(!ly__decider_forget(&d, number, &worker, &ticket)); /* it has begun all the same */
    return close_decider();
}

static void a_session_that_could_not_be_handed_over_is_forgotten_unless_it_has_begun(void **state)
{
    (void)state;
    assert_int_equal(in_loop(forgotten), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], LY__BECOME_ARGUMENT) == 0) /* as the program itself does */
        return ly__become(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_reaches_the_socket_of_this_machine_is_its_account_and_may_everything),
        cmocka_unit_test(nobody_begins_without_a_channel_a_session_or_a_store),
        cmocka_unit_test(a_password_lets_in_with_what_the_user_has),
        cmocka_unit_test(a_failed_login_is_the_sessions_last_and_is_charged),
        cmocka_unit_test(nobody_is_charged_for_a_store_that_fails),
        cmocka_unit_test(a_code_is_good_for_one_attempt_and_then_its_device_needs_none),
        cmocka_unit_test(a_directory_that_is_not_below_the_served_one_lets_nobody_in),
        cmocka_unit_test(a_user_has_no_more_sessions_than_are_granted),
        cmocka_unit_test(commands_are_started_for_who_has_the_role_while_there_are_places),
        cmocka_unit_test(a_command_that_is_not_started_takes_no_place),
        cmocka_unit_test(who_has_not_logged_in_by_the_deadline_is_cut_once),
        cmocka_unit_test(a_crash_is_charged_to_strangers_of_that_worker_before_users),
        cmocka_unit_test(a_session_that_could_not_be_handed_over_is_forgotten_unless_it_has_begun),
    };
    certificate_make(&machine, "DNS:machine", NULL, 30);
    certificate_make(&device, "DNS:device", NULL, 30);
    int r = cmocka_run_group_tests(tests, open_books, close_books);
    certificate_free(&machine);
    certificate_free(&device);
    return r;
}
