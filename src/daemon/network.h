/* SPDX-License-Identifier: MIT */
/* All that serving the network takes: the machine's key, the users, the gate, and the crew of workers. */
#ifndef LY_DAEMON_NETWORK_H
#define LY_DAEMON_NETWORK_H

#include "auth/key.h"
#include "daemon/crew.h"
#include <limits.h>

#define LY__NETWORK_PORT "7433" /* where nothing else is said */

struct ly__network {
    bool wanted; /* an address asks for it; else nothing below is there */
    char state[PATH_MAX];
    struct ly__key key;
    struct ly__store *store;
    struct ly__failures *failures;
    struct ly__penalties *penalties;
    struct ly__admission *admission;
    struct ly__audit *audit;
    struct ly__crew crew;
    bool has_crew;
};

/* Whether an address is one of the network's: tls://... */
bool ly__network_is(const char *address);

/* Open all but addresses. What fails is said on standard error. Returns 0 or the error. */
int ly__network_open(struct ly__network *n, struct ly__decider *d, const struct ly__serve_options *o);

/* Accept from an address. ret_text: LY_ADDRESS_TEXT bytes; the bound address, printed. As above. */
int ly__network_listen(struct ly__network *n, const char *address, char *ret_text);

/* Look whether there is a next key by now, and have the workers announce it. Returns 0, or an error that was
 * said. */
int ly__network_announce(struct ly__network *n);

/* After the crew's end. Returns what serving returned. */
int ly__network_close(struct ly__network *n);

#endif
