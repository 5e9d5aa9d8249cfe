/* SPDX-License-Identifier: MIT */
/*
 * The machine's key and the remembered machines with each call failing once: there is the old file or the new
 * one, never a part; the same thing done again succeeds; an error is never a "yes".
 */
#include "../unit/auth/folder.h"
#include "auth/known.h"
#include "sweep.h"

#define A "00000-00000-00000-00000-00000-00000-00000-00001"
#define B "00000-00000-00000-00000-00000-00000-00000-00002"
#define OLD "# ours\ndb:1 " A "\n"
#define NEW "# ours\ndb:1 " B "\n"

#define ALL \
    32 /* so many calls of a kind are all failed; beyond, one in STEP: they are OpenSSL's allocations */
#define STEP 7

/* What the sweeps have for files, and more. */
static const struct sweep_kind kinds[] = {
    {"malloc", {ENOMEM}},
    {"realloc", {ENOMEM}},
    {"calloc", {ENOMEM}},
    {"open", {EMFILE, EACCES}},
    {"openat", {EMFILE, EACCES, ENOSPC, EROFS}},
    {"flock", {EINTR, ENOLCK}},
    {"fstat", {EIO, ENOMEM}},
    {"fchmod", {EPERM}},
    {"read", {EIO, EINTR}},
    {"write", {ENOSPC, EDQUOT, EIO, EINTR}},
    {"fsync", {EIO, ENOSPC}},
    {"close", {EIO, EINTR}},
    {"renameat", {EIO, ENOSPC}},
    {"renameat2", {EIO, ENOSPC, EINVAL}}, /* EINVAL: the file system cannot refuse to replace */
    {"unlinkat", {EACCES, EIO}},
    {"fstatat", {EIO}},
};

struct scenario {
    const char *name;
    int (*run)(void);      /* with a call that fails */
    void (*prepare)(void); /* without one, before it */
    void (*check)(int r);  /* without one, after it */
};

static void expect(bool right, const struct scenario *s, const struct sweep_kind *k, unsigned long nth,
                   int error)
{
    if (!right)
        fail_msg("%s: %s number %lu with %s", s->name, k->call, nth, ly_error_name(-error));
}

/* Returns whether a call failed. */
static bool fail_one(const struct scenario *s, const struct sweep_kind *k, unsigned long nth, int error)
{
    s->prepare();
    sweep_now.scenario = s->name;
    sweep_now.call = k->call;
    sweep_now.nth = nth;
    sweep_now.error = error;
    int before = sweep_descriptors();
    alarm(SWEEP_SECONDS);
    expect(ly_fault_arm(k->call, nth, error) == 0, s, k, nth, error);
    int r = s->run();
    unsigned long hits = ly_fault_hits();
    ly_fault_disarm();
    alarm(0);
    expect(r <= 0 && r > -6000 && r != -EINTR && (hits > 0 || r == 0), s, k, nth, error);
    expect(sweep_descriptors() == before, s, k, nth, error);
    s->check(r);
    return hits > 0;
}

static void fail_all(const struct scenario *s)
{
    unsigned long hits = 0;
    s->prepare();
    assert_int_equal(s->run(), 0); /* what OpenSSL keeps for good is there from now on */
    s->check(0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (size_t e = 0; e < 5 && kinds[i].errors[e]; e++) {
            unsigned long nth = 1;
            for (; fail_one(s, &kinds[i], nth, kinds[i].errors[e]); nth += nth < ALL ? 1 : STEP)
                hits++;
        }
    }
    assert_true(hits > 20);
}

static void remove_all(void)
{
    static const char *const names[] = {LY__KEY_FILE, LY__KEY_FILE ".new", LY__KEY_NEXT_FILE, LY__KNOWN_FILE,
                                        LY__KNOWN_FILE ".new"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(in_folder(names[i]));
}

/* ---- a key ---- */

static struct ly__key made;

static int make_key(void)
{
    return ly__key_open(&made, folder, LY__KEY_FILE, true);
}

static void check_key(int r)
{
    struct ly__key again;
    assert_true(r < 0 ? !made.pair : made.pair != NULL);
    assert_int_equal(ly__key_open(&again, folder, LY__KEY_FILE, true), 0);
    if (r == 0)
        assert_string_equal(again.text, made.text);
    ly__key_close(&again);
    ly__key_close(&made);
}

static void a_key_is_made_whole_or_not_at_all(void **state)
{
    (void)state;
    fail_all(&(const struct scenario){"first use", make_key, remove_all, check_key});
}

static char kept[LY__ID_TEXT];

static void keep_key(void)
{
    struct ly__key key;
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    memcpy(kept, key.text, sizeof kept);
    ly__key_close(&key);
}

static void check_kept(int r)
{
    struct ly__key key;
    if (r == 0)
        assert_string_equal(made.text, kept);
    ly__key_close(&made);
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, false), 0);
    assert_string_equal(key.text, kept);
    ly__key_close(&key);
}

static void a_key_that_cannot_be_read_is_not_made_anew(void **state)
{
    (void)state;
    remove_all();
    fail_all(&(const struct scenario){"later use", make_key, keep_key, check_kept});
}

static char next_text[LY__ID_TEXT];

static void make_both(void)
{
    struct ly__key key;
    remove_all();
    keep_key();
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_NEXT_FILE, true), 0);
    memcpy(next_text, key.text, sizeof next_text);
    ly__key_close(&key);
}

static int rotate(void)
{
    return ly__key_rotate(folder);
}

/* An error of the last fsync comes when the new key is there already. */
static void check_rotated(int r)
{
    struct ly__key key;
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, false), 0);
    if (r == 0 || strcmp(key.text, kept) != 0)
        assert_string_equal(key.text, next_text);
    ly__key_close(&key);
}

static void a_rotation_leaves_the_old_key_or_the_next(void **state)
{
    (void)state;
    fail_all(&(const struct scenario){"rotation", rotate, make_both, check_rotated});
}

/* ---- remembered machines ---- */

static void write_old(void)
{
    remove_all();
    assert_int_equal(write_file(LY__KNOWN_FILE, OLD, 0600), 0);
}

static int remember(void)
{
    return ly__known_remember(folder, "db:1", B);
}

static void check_remembered(int r)
{
    char text[256];
    (void)read_file(LY__KNOWN_FILE, text, sizeof text);
    assert_true(strcmp(text, NEW) == 0 || (r < 0 && strcmp(text, OLD) == 0));
    assert_int_equal(remember(), 0);
    assert_string_equal(read_file(LY__KNOWN_FILE, text, sizeof text), NEW);
}

static void a_change_leaves_the_old_file_or_the_new(void **state)
{
    (void)state;
    fail_all(&(const struct scenario){"remembering", remember, write_old, check_remembered});
}

static int look_up_another(void)
{
    int r = ly__known_find(folder, "db:1", B, NULL);
    return r == LY__KNOWN_CHANGED ? 0 : r < 0 ? r : 1; /* above 0: it would be trusted, or asked about */
}

static void check_nothing(int r)
{
    (void)r;
}

static void a_file_that_cannot_be_read_makes_nobody_a_stranger(void **state)
{
    (void)state;
    unsigned long hits = 0;
    const struct scenario s = {"looking up", look_up_another, write_old, check_nothing};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (size_t e = 0; e < 5 && kinds[i].errors[e]; e++) {
            for (unsigned long nth = 1; fail_one(&s, &kinds[i], nth, kinds[i].errors[e]); nth++)
                hits++;
        }
    }
    assert_true(hits > 5);
}

/* ---- announcements ---- */

static struct ly__key key, next;
static struct ly__announcement announcement;

static void remember_key(void)
{
    (void)unlink(in_folder(LY__KNOWN_FILE));
    assert_int_equal(ly__known_remember(folder, "db:1", key.text), 0);
}

static int learn(void)
{
    int r = ly__key_announce(&announcement, &key, &next);
    if (r == 0)
        r = ly__known_learn(folder, "db:1", key.id, &announcement);
    return r == 1 ? 0 : r;
}

static void check_learned(int r)
{
    int answer = ly__known_find(folder, "db:1", next.text, NULL);
    assert_true(answer == LY__KNOWN_NEXT || (r < 0 && answer == LY__KNOWN_CHANGED));
    assert_int_equal(learn(), 0);
    assert_int_equal(ly__known_find(folder, "db:1", next.text, NULL), LY__KNOWN_NEXT);
}

static void an_announcement_is_learned_or_not(void **state)
{
    (void)state;
    remove_all();
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    assert_int_equal(ly__key_open(&next, folder, LY__KEY_NEXT_FILE, true), 0);
    fail_all(&(const struct scenario){"learning", learn, remember_key, check_learned});
    ly__key_close(&key);
    ly__key_close(&next);
}

static int certify(void)
{
    struct ly_buffer pem;
    ly_buffer_init(&pem, 8192);
    int r = ly__key_certificate_pem(&key, &pem);
    if (r == 0)
        r = ly__key_private_pem(&key, &pem);
    ly__key_wipe(&pem);
    return r;
}

static void do_nothing(void)
{
}

static void a_certificate_is_made_or_not(void **state)
{
    (void)state;
    remove_all();
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    fail_all(&(const struct scenario){"certificate", certify, do_nothing, check_nothing});
    ly__key_close(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_made_whole_or_not_at_all),
        cmocka_unit_test(a_key_that_cannot_be_read_is_not_made_anew),
        cmocka_unit_test(a_rotation_leaves_the_old_key_or_the_next),
        cmocka_unit_test(a_change_leaves_the_old_file_or_the_new),
        cmocka_unit_test(a_file_that_cannot_be_read_makes_nobody_a_stranger),
        cmocka_unit_test(an_announcement_is_learned_or_not),
        cmocka_unit_test(a_certificate_is_made_or_not),
    };
    signal(SIGALRM, sweep_hangs);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
