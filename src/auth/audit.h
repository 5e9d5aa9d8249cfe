/* SPDX-License-Identifier: MIT */
/*
 * The audit trail: who did what, from where, with what result; a line of JSON for each record, in one file.
 *
 * The members of a record are in docs/audit.md. A record is appended by one write(2), so lines of several
 * threads and processes never mix; the file is never truncated or written elsewhere but at its end, so it may
 * be append-only (chattr +a). Whatever text strangers have put into a record is escaped: the file holds ASCII
 * only, and no control character but the line ends.
 *
 * When a record cannot be written (no space, read-only, an error of the disk), the policy decides. "Refuse":
 * who records the beginning of an action gets the error and must not do it. "Go on": the record is counted as
 * lost. Either way the first record that can be written again is preceded by one that says how many are
 * missing, and since when; and `trouble` is told at once.
 *
 * All functions are thread-safe, and wait for the file: in a fiber, call them by ly_offload. A NULL trail
 * records nothing.
 */
#ifndef LY_AUTH_AUDIT_H
#define LY_AUTH_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LY__AUDIT_FILE "audit.jsonl" /* its name in the state directory */

struct ly__audit;

enum ly__audit_policy { LY__AUDIT_REFUSE, LY__AUDIT_GO_ON };

struct ly__audit_counts {
    uint64_t written; /* records */
    uint64_t lost;    /* records that could not be written */
    uint64_t refused; /* actions that were refused for it */
    int error;        /* why the last record was not written; 0: it was */
};

struct ly__audit_options {
    const char *path; /* made with mode 0600 if it is not there */
    enum ly__audit_policy policy;
    /*
     * Called when writing begins to fail (error: why) and when it works again (error: 0), with the counts so
     * far; from the thread that records. NULL: nobody is told.
     */
    void (*trouble)(void *arg, int error, const struct ly__audit_counts *counts);
    void *trouble_arg;
};

/* Borrowed for the call. A text that is NULL or "", and a number that does not apply, are left out. Longer
 * texts are cut, and the record says so. */
struct ly__audit_record {
    const char *who;    /* the user; NULL: nobody has logged in */
    const char *from;   /* the peer, as ly_address_format prints it */
    const char *device; /* the key it came with, as printed for people */
    uint64_t session;   /* 0: none */
    const char *what;   /* "login", "exec", "put", ... */
    const char *object; /* to what: a path, a command */
    const char *detail; /* of the result: "exit 3" */
    int result;         /* at least 0: it went well; else the error */
    int64_t bytes;      /* moved; negative: none are counted */
    bool lasts;         /* its beginning is recorded under either policy */
    uint64_t action;    /* set by _begin: what tells which end belongs to which beginning; 0: none */
    int64_t began;      /* set by _begin: of ly_now(); 0: the duration is left out */
};

/*
 * Open the trail. Returns 0; -EPERM (others may write to the file, or another user owns it), -EINVAL (no
 * regular file), -ELOOP (a symbolic link), -ENOMEM or an error of open(2). Under "go on", a disk that is
 * full, broken or read-only is no error here either.
 */
int ly__audit_open(struct ly__audit **ret, const struct ly__audit_options *options);
void ly__audit_close(struct ly__audit *a);

/* Open the file of that name anew, after it was renamed (rotation). On an error the old one stays in use. */
int ly__audit_reopen(struct ly__audit *a);

/*
 * An action begins. Under "refuse" a record with the result "begun" is written first; an error means that the
 * action must not be done. Under "go on" that is written only if it lasts, and the result is 0.
 */
int ly__audit_begin(struct ly__audit *a, struct ly__audit_record *record);

/* The action that _begin was called for has ended, or something has happened at once (began and action 0).
 * Returns 0, or under "refuse" the error. */
int ly__audit_end(struct ly__audit *a, const struct ly__audit_record *record);

void ly__audit_count(struct ly__audit *a, struct ly__audit_counts *ret);

#endif
