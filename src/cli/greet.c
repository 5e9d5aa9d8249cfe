/* SPDX-License-Identifier: MIT */
#include "cli/greet.h"
#include "cli/command.h"
#include <lanyard/socket.h>
#include <lanyard/tls.h>
#include <stdio.h>

#define PATIENCE_MS 20000 /* for each address, and for the handshake */

/* Any certificate will do: whose key it is, the caller decides. */
static int open_socket(struct ly_sock **ret_sock, const struct ly__peer *peer)
{
    char address[sizeof "tls://" + LY__PEER_NAME];
    struct ly_tls *tls;
    int r = ly_tls_open(&tls, &(struct ly_tls_options){.verify = LY_TLS_VERIFY_NONE, .no_tickets = true});
    if (r < 0)
        return r;
    (void)snprintf(address, sizeof address, "tls://%s", peer->name);
    r = ly_connect(ret_sock, address, &(struct ly_connect_options){.timeout_ms = PATIENCE_MS, .tls = tls});
    ly_tls_close(tls);
    return r;
}

int ly__greet(const char *command, const struct ly__peer *peer, char ret_id[LY__ID_TEXT])
{
    struct ly_sock *sock;
    uint8_t id[LY__ID];
    char why[LY_TLS_WHY] = "";
    int r = open_socket(&sock, peer);
    if (r == 0) {
        r = ly_tls_handshake(sock);
        if (r == 0)
            r = ly_tls_peer_key(sock, id);
        if (r == LY_ETLS)
            (void)ly_tls_why(sock, why, sizeof why);
        ly_sock_free(sock);
    }
    if (r < 0)
        ly__cli_say(command, "cannot see the key of %s: %s", peer->name, *why ? why : ly_error_text(r));
    else
        ly__id_format(ret_id, id);
    return r;
}
