/* SPDX-License-Identifier: MIT */
/*
 * The books of the sessions that are there: whose they are, from where, how far they have come. They are kept
 * by the process that decides, whoever serves the session.
 */
#ifndef LY_DAEMON_SESSIONS_H
#define LY_DAEMON_SESSIONS_H

#include "auth/admission.h"
#include "auth/audit.h"
#include "auth/device.h"
#include "auth/id.h"
#include "auth/login.h"
#include "base/list.h"
#include "service/service_authority.h"
#include <pthread.h>
#include <stdint.h>

#define LY__SESSIONS_LISTS 256
#define LY__DOING 128 /* bytes of what a session does, with the zero byte */

/* What has been said in a session so far. */
enum ly__session_state {
    LY__CONNECTED = 1, /* nothing: its peer has only connected */
    LY__STRANGER = 2,  /* it has begun, and its peer is not known */
    LY__LOGGED_IN = 4,
    LY__OVER = 8, /* it is in no books any more, and who served it may be busy with what is left of it */
};

struct ly__entry {
    struct ly__list link; /* in one of the lists */
    uint64_t number;
    const void *owner; /* the side here of the confined process that serves it; NULL: this process itself */
    enum ly__session_state state;
    bool is_asking;  /* a question about it is being answered, by a task that holds this entry */
    int64_t ends_at; /* of ly_now(): it was told to end, and is over by then; 0: it was not */
    struct ly_address peer;
    char from[LY_ADDRESS_TEXT];           /* the peer, printed */
    int64_t began;                        /* of ly_now() */
    struct ly__ticket ticket;             /* of the gate for strangers */
    uint8_t challenge[LY__TLS_CHALLENGE]; /* for the proof of the peer's key */
    /* of a channel: what was proved in it, and the login that goes on in it */
    uint8_t binding[LY__BINDING];
    bool has_key;
    uint8_t key[LY__KEY_HASH];
    char device[LY__ID_TEXT]; /* the key, printed; "": none was shown */
    struct ly__login *login;
    bool has_failed; /* a login has */
    /* LY__LOGGED_IN */
    struct ly__grant grant;
    int64_t user_id, device_id;     /* of the store; 0: none */
    int64_t generation;             /* of the user, when they logged in */
    bool is_checked;                /* it stood when it was looked at, after the login */
    char account[LY__USER_ACCOUNT]; /* commands run as this; "": as the server does */
    struct ly__audit_record deed;   /* what it does now */
    char what[32];                  /* the deed's name */
    int64_t last;                   /* of ly_now(): when it did something last; 0: it has not */
    char doing[LY__DOING];          /* what runs now, cut; "": nothing */
    int64_t doing_at;               /* of ly_now(): when that was seen */
};

struct ly__sessions {
    /* Guards the lists, and in an entry what other threads look at: state, device, grant, last and doing.
     * Only the session's own calls touch the rest, and change those: they need no lock to read them. */
    pthread_mutex_t lock;
    struct ly__list lists[LY__SESSIONS_LISTS]; /* struct ly__entry.link, by number */
    uint64_t last;                             /* the number given last */
    size_t count;
};

void ly__sessions_open(struct ly__sessions *s);
void ly__sessions_close(struct ly__sessions *s);

/* Returns NULL without memory. */
struct ly__entry *ly__sessions_add(struct ly__sessions *s, const struct ly_address *peer, const void *owner);

/* How many there are. */
size_t ly__sessions_count(struct ly__sessions *s);

/* The entry of a number; NULL: none. It stays while the session's own calls run. */
struct ly__entry *ly__sessions_find(struct ly__sessions *s, uint64_t number);

/* As above, if it is owner's: else it may be gone as soon as it is found. */
struct ly__entry *ly__sessions_find_of(struct ly__sessions *s, uint64_t number, const void *owner);

/* Take it out of the books. Freed by ly__entry_free. */
void ly__sessions_remove(struct ly__sessions *s, struct ly__entry *e);
void ly__entry_free(struct ly__entry *e);

/* Around changes of what other threads look at. */
void ly__sessions_lock(struct ly__sessions *s);
void ly__sessions_unlock(struct ly__sessions *s);

/* Note what a session of owner's does now. One that is gone is nothing. */
void ly__sessions_note(struct ly__sessions *s, uint64_t number, const void *owner, const char *doing);

/* Call fn for each with the lock held: fn neither waits nor uses the books. */
void ly__sessions_each(struct ly__sessions *s, void (*fn)(void *arg, struct ly__entry *e), void *arg);

#endif
