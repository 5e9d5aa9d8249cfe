/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "service/files/partial.h"
#include "tempdir.h"

#include <errno.h>
#include <lanyard/error.h>
#include <sys/syscall.h>

static struct ly__partial owner, heir;
static bool hand_on; /* at the next look for a leftover, from the owner to the heir */
static int fails;    /* that look, with this error */

/* Stands before the C library's. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): its names are reserved */
int openat(int dir, const char *name, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    bool hands_on = hand_on && !(flags & O_CREAT);
    if (hands_on) {
        hand_on = false;
        assert_int_equal(ly__partial_finish(&owner, "f", NULL, NULL), 0);
    }
    if (fails && !(flags & O_CREAT)) {
        errno = fails;
        fails = 0;
        return -1;
    }
    int fd = (int)syscall(SYS_openat, dir, name, flags, mode), error = errno;
    if (hands_on)
        assert_int_equal(ly__partial_create(&heir, tempdir, "f", 0600), 0);
    errno = error;
    return fd;
}

static const char *name_of(const char *name)
{
    static char out[LY__NAME_MAX + 1];
    ly__partial_name(out, name);
    return out;
}

static void a_temporary_name_shows_the_name(void **state)
{
    (void)state;
    assert_string_equal(name_of("f"), ".f.lanyard-partial");
    assert_true(ly__partial_is(".f.lanyard-partial"));
    assert_false(ly__partial_is(".lanyard-partial"));
    assert_false(ly__partial_is("f.lanyard-partial"));
    assert_false(ly__partial_is(".f.lanyard-partial~"));
}

static void a_long_name_is_cut_at_a_character_and_told_apart_by_its_hash(void **state)
{
    char a[256], b[256], first[256];
    (void)state;
    memset(a, 'n', 238);
    a[238] = '\0';
    assert_int_equal(strlen(name_of(a)), 255);
    memset(a, 'n', 255);
    a[255] = '\0';
    memcpy(b, a, sizeof b);
    b[254] = 'm';
    (void)snprintf(first, sizeof first, "%s", name_of(a));
    assert_int_equal(strlen(first), 1 + 200 + 1 + 16 + 16);
    assert_string_not_equal(first, name_of(b));
    memcpy(a + 199, "\xc3\xa4", 2); /* would be cut in the middle */
    assert_int_equal(name_of(a)[200], '~');
    memcpy(a + 198, "\xc3\xa4", 2); /* ends exactly there */
    assert_int_equal(name_of(a)[201], '~');
}

static void a_finished_file_replaces_the_old_one(void **state)
{
    struct ly__partial p;
    mode_t mode = 0604;
    int64_t ns = -1;
    struct stat st;
    (void)state;
    make_file("f", "old");
    assert_int_equal(ly__partial_create(&p, tempdir, "f", 0600), 0);
    assert_int_equal(ly__partial_write(&p, "new!", 4, 0), 0);
    assert_string_equal(content_of("f"), "old");
    assert_int_equal(ly__partial_finish(&p, "f", &mode, &ns), 0);
    assert_string_equal(content_of("f"), "new!");
    assert_int_equal(fstatat(tempdir, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0604);
    assert_int_equal(st.st_mtim.tv_sec, -1);
    assert_int_equal(st.st_mtim.tv_nsec, 999999999);
    assert_int_equal(count_partials(), 0);
}

static void a_file_that_cannot_be_renamed_is_removed(void **state)
{
    struct ly__partial p;
    (void)state;
    make_dir("f");
    assert_int_equal(ly__partial_create(&p, tempdir, "f", 0600), 0);
    assert_int_equal(ly__partial_finish(&p, "f", NULL, NULL), -EISDIR);
    assert_int_equal(count_partials(), 0);
}

static void a_second_owner_is_refused_until_the_first_lets_go(void **state)
{
    struct ly__partial a, b;
    (void)state;
    assert_int_equal(ly__partial_create(&a, tempdir, "f", 0600), 0);
    assert_int_equal(ly__partial_create(&b, tempdir, "f", 0600), -EBUSY);
    assert_int_equal(ly__partial_resume(&b, tempdir, "f", 1), -EBUSY);
    assert_int_equal(ly__partial_write(&a, "abc", 3, 0), 0);
    ly__partial_drop(&a, true);
    assert_int_equal(ly__partial_resume(&b, tempdir, "f", 3), 0);
    ly__partial_drop(&b, false);
    assert_int_equal(count_partials(), 0);
}

static void a_leftover_that_has_gone_is_not_taken_for_the_next_owners_file(void **state)
{
    struct ly__partial third;
    (void)state;
    assert_int_equal(ly__partial_create(&owner, tempdir, "f", 0600), 0);
    hand_on = true;
    assert_int_equal(ly__partial_create(&third, tempdir, "f", 0600), -EBUSY);
    assert_false(hand_on);
    assert_int_equal(ly__partial_write(&heir, "heir's", 6, 0), 0);
    assert_int_equal(ly__partial_finish(&heir, "f", NULL, NULL), 0);
    assert_string_equal(content_of("f"), "heir's");
    assert_int_equal(count_partials(), 0);
}

static void an_owners_file_stays_where_it_cannot_be_looked_at(void **state)
{
    struct ly__partial other;
    (void)state;
    assert_int_equal(ly__partial_create(&owner, tempdir, "f", 0600), 0);
    fails = EMFILE;
    assert_int_equal(ly__partial_create(&other, tempdir, "f", 0600), -EMFILE);
    assert_int_equal(fails, 0);
    assert_int_equal(ly__partial_write(&owner, "owner's", 7, 0), 0);
    assert_int_equal(ly__partial_finish(&owner, "f", NULL, NULL), 0);
    assert_string_equal(content_of("f"), "owner's");
    assert_int_equal(count_partials(), 0);
}

static void only_a_file_of_the_right_length_is_resumed(void **state)
{
    struct ly__partial p;
    (void)state;
    assert_int_equal(ly__partial_resume(&p, tempdir, "f", 3), LY_ECHANGED);
    make_file(".f.lanyard-partial", "abc");
    assert_int_equal(ly__partial_resume(&p, tempdir, "f", 2), LY_ECHANGED);
    assert_int_equal(ly__partial_resume(&p, tempdir, "f", 0), LY_ECHANGED);
    assert_int_equal(linkat(tempdir, ".f.lanyard-partial", tempdir, "other", 0), 0);
    assert_int_equal(ly__partial_resume(&p, tempdir, "f", 3), LY_ECHANGED);
    make_link("other", ".g.lanyard-partial");
    assert_int_equal(ly__partial_resume(&p, tempdir, "g", 3), LY_ECHANGED);
    assert_int_equal(unlinkat(tempdir, "other", 0), 0);
    assert_int_equal(ly__partial_resume(&p, tempdir, "f", 3), 0);
    ly__partial_drop(&p, false);
}

static void a_leftover_of_any_kind_makes_way_unharmed(void **state)
{
    struct ly__partial p;
    (void)state;
    make_file("victim", "kept");
    make_link("victim", ".a.lanyard-partial");
    make_link("created", ".b.lanyard-partial");
    assert_int_equal(linkat(tempdir, "victim", tempdir, ".c.lanyard-partial", 0), 0);
    assert_int_equal(mkfifoat(tempdir, ".d.lanyard-partial", 0600), 0);
    make_file(".e.lanyard-partial", "left over");
    for (const char *name = "a\0b\0c\0d\0e\0"; *name; name += 2) {
        assert_int_equal(ly__partial_create(&p, tempdir, name, 0600), 0);
        assert_int_equal(ly__partial_write(&p, "new", 3, 0), 0);
        assert_int_equal(ly__partial_finish(&p, name, NULL, NULL), 0);
        assert_string_equal(content_of(name), "new");
    }
    assert_string_equal(content_of("victim"), "kept");
    assert_false(is_there("created"));
}

static void the_umask_is_read_and_not_changed(void **state)
{
    (void)state;
    mode_t now = umask(0);
    (void)umask(now);
    assert_int_equal(ly__umask(), now);
    mode_t after = umask(now);
    assert_int_equal(after, now);
}

#define IN_TEMPDIR(f) cmocka_unit_test_setup_teardown(f, tempdir_setup, tempdir_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_temporary_name_shows_the_name),
        cmocka_unit_test(a_long_name_is_cut_at_a_character_and_told_apart_by_its_hash),
        IN_TEMPDIR(a_finished_file_replaces_the_old_one),
        IN_TEMPDIR(a_file_that_cannot_be_renamed_is_removed),
        IN_TEMPDIR(a_second_owner_is_refused_until_the_first_lets_go),
        IN_TEMPDIR(a_leftover_that_has_gone_is_not_taken_for_the_next_owners_file),
        IN_TEMPDIR(an_owners_file_stays_where_it_cannot_be_looked_at),
        IN_TEMPDIR(only_a_file_of_the_right_length_is_resumed),
        IN_TEMPDIR(a_leftover_of_any_kind_makes_way_unharmed),
        cmocka_unit_test(the_umask_is_read_and_not_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
