/* SPDX-License-Identifier: MIT */
/*
 * The store of users with each of its calls failing once, the disk full among them: what was reported as done
 * is there afterwards, what was not is there in whole or not at all, and nobody is let in by a failure.
 */
#include "auth/login.h"
#include "auth/pairing.h"
#include "sweep.h"

/* Calls that only a store makes: the errors of a disk. */
static const struct sweep_kind disk_kinds[] = {
    {"pwrite", {ENOSPC, EIO, EDQUOT}},
    {"pread", {EIO}},
    {"fdatasync", {EIO, ENOSPC}},
    {"fsync", {EIO}},
    {"ftruncate", {EIO, ENOSPC}},
    {"open", {ENOSPC}},
    {"fcntl", {ENOLCK}},
    {"read", {EIO}},
    {"fchmod", {EPERM}},
    {"mmap", {ENOMEM}},
    {"close", {EIO}},
    {"fstat", {EIO}},
    {"lstat", {EIO}},
    {"unlink", {EACCES}},
};

#define ALL 30 /* so many calls of a kind are all failed; of those beyond, so many more at even distances */
#define MORE 25

/* In memory where that is possible: thousands of runs shall not wait for a disk. */
static char in_memory[] = "/dev/shm/lanyard-fault-store-XXXXXX",
            on_disk[] = "/tmp/lanyard-fault-store-XXXXXX";
static const char *folder;
static struct ly__failures *failures;
static int result; /* of the last run */

static const uint8_t channel[LY__SCRAM_BINDING] = "the channel";
static const uint8_t device[LY__DEVICE_KEY] = "the device";

static int open_store(struct ly__store **ret_store)
{
    return ly__store_open(ret_store, folder,
                          &(struct ly__store_options){.make = true, .patience_ms = 1, .iterations = 4096});
}

static void empty_folder(void)
{
    static const char *const names[] = {"users.db", "users.db-wal", "users.db-shm", "users.db-journal"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
}

/* ---- scenarios ---- */

static int make_store(void *arg)
{
    struct ly__store *store = NULL;
    struct ly__user ada = {.name = "ada", .roles = LY__READ};
    (void)arg;
    int r = open_store(&store);
    if (r == 0)
        r = ly__user_add(store, &ada, "pass word");
    ly__store_close(store);
    return result = r;
}

static unsigned wanted; /* the roles that change gives */

static int change(void *arg)
{
    struct ly__store *store = NULL;
    struct ly__user ada;
    (void)arg;
    int r = open_store(&store);
    if (r == 0)
        r = ly__user_find(store, "ada", &ada);
    if (r == 0) {
        ada.roles = wanted;
        r = ly__user_set(store, &ada);
    }
    ly__store_close(store);
    return result = r;
}

/* A whole login, without the client's own failures in the way: its messages are made by the other side's
 * rules. */
static int log_in(struct ly__store *store, const uint8_t *key, const char *name, const char *password)
{
    struct ly__login *l = NULL;
    struct ly__scram_client *c = NULL;
    struct ly_buffer there, back;
    struct ly__login_options o = {store, failures, channel, key, "laptop"};
    ly_buffer_init(&there, 4096);
    ly_buffer_init(&back, 4096);
    int r = ly__login_new(&l, &o, LY__SCRAM_MECHANISM);
    if (r == 0)
        r = ly__scram_client_new(&c, name, password, channel);
    for (int step = 0; r == 0 && step < 2; step++) {
        ly_buffer_clear(&there);
        r = ly__scram_client_step(c, ly_buffer_bytes(&back), back.length, &there);
        ly_buffer_clear(&back);
        if (r == 0)
            r = ly__login_step(l, ly_buffer_bytes(&there), there.length, &back);
    }
    ly__scram_client_free(c);
    ly__login_free(l);
    ly_buffer_done(&there);
    ly_buffer_done(&back);
    return r;
}

static int right_and_wrong(void *arg)
{
    struct ly__store *store = NULL;
    (void)arg;
    int r = open_store(&store);
    if (r == 0) {
        r = log_in(store, NULL, "ada", "pass work");
        SWEEP_EXPECT(r < 0);
        r = r == LY_EDENIED ? log_in(store, NULL, "eve", "pass word") : r;
        SWEEP_EXPECT(r < 0);
        r = r == LY_EDENIED ? log_in(store, NULL, "ada", "pass word") : r;
    }
    ly__store_close(store);
    return result = r == 1 ? 0 : r;
}

static int pair_once(void *arg)
{
    struct ly__store *store = NULL;
    char code[LY__PAIRING_CODE], slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET], name[32];
    (void)arg;
    int r = open_store(&store);
    if (r == 0)
        r = ly__pairing_make(store, "ada", NULL, code);
    if (r == 0) {
        SWEEP_EXPECT(ly__pairing_read(code, slot, secret) == 0);
        snprintf(name, sizeof name, LY__PAIRING_PREFIX "%s", slot);
        r = log_in(store, device, name, "000000000000");
        SWEEP_EXPECT(r < 0);
        if (r == LY_EDENIED)
            SWEEP_EXPECT(log_in(store, device, name, secret) != 1); /* its attempt is used up */
        r = r == LY_EDENIED ? ly__pairing_make(store, "ada", NULL, code) : r;
    }
    if (r == 0) {
        SWEEP_EXPECT(ly__pairing_read(code, slot, secret) == 0);
        snprintf(name, sizeof name, LY__PAIRING_PREFIX "%s", slot);
        r = log_in(store, device, name, secret);
    }
    ly__store_close(store);
    return result = r == 1 ? 0 : r;
}

/* ---- what is left ---- */

/* What a run has left can be used, and is what it reported. Returns ada's roles, 0 if there is no ada. */
static unsigned look(void)
{
    struct ly__store *store = NULL;
    struct ly__user ada = {.roles = 0};
    SWEEP_EXPECT(open_store(&store) == 0);
    int r = ly__user_find(store, "ada", &ada);
    SWEEP_EXPECT(r == 0 || r == -ENOENT);
    ly__store_close(store);
    return ada.roles;
}

static void prepare_nothing(void)
{
    empty_folder();
}

static void check_made(void)
{
    unsigned roles = look();
    SWEEP_EXPECT(roles == LY__READ || (result < 0 && roles == 0));
}

static unsigned before;

static void prepare_change(void)
{
    before = wanted;
    wanted ^= LY__ADMIN;
}

static void check_change(void)
{
    unsigned roles = look();
    SWEEP_EXPECT(roles == wanted || (result < 0 && roles == before));
    wanted = roles;
}

static void prepare_user(void)
{
}

static void check_user(void)
{
    SWEEP_EXPECT(look() != 0);
}

struct scenario {
    const char *name;
    ly_task_fn *run;
    void (*prepare)(void);
    void (*check)(void);
};

static void run_kind(const struct scenario *s, const struct sweep_kind *kind, unsigned long count)
{
    for (size_t e = 0; e < sizeof kind->errors / sizeof *kind->errors && kind->errors[e]; e++)
        for (unsigned long nth = 1; nth <= count + SWEEP_MORE; nth += nth < ALL ? 1 : 1 + count / MORE) {
            s->prepare();
            sweep_run(s->run, NULL, kind->call, nth, kind->errors[e]);
            s->check();
        }
}

static void run_all(const struct scenario *s)
{
    static const struct sweep_kind memory[] = {
        {"malloc", {ENOMEM}}, {"calloc", {ENOMEM}}, {"realloc", {ENOMEM}}};
    sweep_now.scenario = s->name;
    signal(SIGALRM, sweep_hangs);
    s->prepare();
    SWEEP_EXPECT(s->run(NULL) == 0);
    s->check();
    const struct sweep_kind *lists[] = {disk_kinds, memory};
    const size_t lengths[] = {sizeof disk_kinds / sizeof *disk_kinds, sizeof memory / sizeof *memory};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lengths[l]; i++) {
            s->prepare();
            SWEEP_EXPECT(!sweep_run(s->run, NULL, lists[l][i].call, (unsigned long)-1, 0));
            s->check();
            run_kind(s, &lists[l][i], ly_fault_count(lists[l][i].call));
        }
}

static void a_new_store_is_whole_or_can_be_made_again(void **state)
{
    (void)state;
    run_all(&(struct scenario){"a new store", make_store, prepare_nothing, check_made});
}

static void a_change_is_made_or_not_made(void **state)
{
    (void)state;
    wanted = look();
    run_all(&(struct scenario){"a change", change, prepare_change, check_change});
}

static void no_failure_lets_anybody_in(void **state)
{
    (void)state;
    run_all(&(struct scenario){"logins", right_and_wrong, prepare_user, check_user});
}

static void no_failure_gives_a_code_a_second_attempt(void **state)
{
    (void)state;
    run_all(&(struct scenario){"pairing", pair_once, prepare_user, check_user});
}

/* Every write from some point on: the disk stays full. */
static void a_disk_that_stays_full_is_reported_and_what_was_there_is_still_read(void **state)
{
    (void)state;
    struct ly__store *store;
    struct ly__user ada = {.name = "ada"}, bob = {.name = "bob", .roles = LY__READ};
    assert_int_equal(open_store(&store), 0);
    assert_int_equal(ly_fault_arm_from("pwrite", 1, ENOSPC), 0);
    int added = ly__user_add(store, &bob, NULL);
    int found = ly__user_find(store, "ada", &ada);
    int again = ly__user_remove(store, "ada");
    ly_fault_disarm();
    assert_int_equal(added, -ENOSPC);
    assert_int_equal(found, 0);
    assert_int_equal(again, -ENOSPC);
    assert_int_equal(ly__user_find(store, "bob", &bob), -ENOENT);
    assert_int_equal(ly__user_find(store, "ada", &ada), 0);
    bob = (struct ly__user){.name = "bob", .roles = LY__READ};
    assert_int_equal(ly__user_add(store, &bob, NULL), 0); /* room again */
    ly__store_close(store);
}

static int begin(void **state)
{
    (void)state;
    folder = mkdtemp(in_memory);
    if (!folder)
        folder = mkdtemp(on_disk);
    return folder && ly__failures_new(&failures) == 0 ? 0 : -1;
}

static int end(void **state)
{
    empty_folder();
    ly__failures_free(failures);
    return rmdir(folder) == 0 ? sweep_summary(state) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_store_is_whole_or_can_be_made_again),
        cmocka_unit_test(a_change_is_made_or_not_made),
        cmocka_unit_test(no_failure_lets_anybody_in),
        cmocka_unit_test(no_failure_gives_a_code_a_second_attempt),
        cmocka_unit_test(a_disk_that_stays_full_is_reported_and_what_was_there_is_still_read),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
