/* SPDX-License-Identifier: MIT */
/* What a worker says a client has proved: a byte that counts the key's, the key, and the messages. They are
 * refused, or the key is the one that the identity is of. */
#include "auth/proof.h"
#include <lanyard/error.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ly__proof_server server = {.certificate = "certificate", .length = 11};
    static const uint8_t challenge[LY__TLS_CHALLENGE] = "a challenge of thirty-two bytes";
    struct ly__tls_proof p;
    uint8_t id[LY__ID], wanted[LY__ID];
    if (size < 1 || *data > LY__TLS_PROOF_KEY || *data > size - 1)
        return 0;
    ly__tls_proof_init(&p);
    p.key_length = *data;
    memcpy(p.key, data + 1, p.key_length);
    const uint8_t *messages = data + 1 + p.key_length;
    if (ly_buffer_append(&p.messages, messages, (size_t)(data + size - messages)) < 0) {
        ly__tls_proof_done(&p);
        return 0;
    }
    int r = ly__proof_check(&p, &server, challenge, id);
    int form = ly__proof_has_form(&p);
    if ((r != 0 && r != LY_EPEER) || (form != 0 && form != LY_EPEER) || (r == 0 && form != 0))
        abort();
    if (r == 0 && (ly__id_of(wanted, p.key, p.key_length) < 0 || memcmp(id, wanted, sizeof id) != 0))
        abort();
    ly__tls_proof_done(&p);
    return 0;
}
