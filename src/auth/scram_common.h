/* SPDX-License-Identifier: MIT */
/* What both sides of SCRAM share: libgsasl, started when it is first needed. */
#ifndef LY_AUTH_SCRAM_COMMON_H
#define LY_AUTH_SCRAM_COMMON_H

#include "auth/scram.h"
#include <gsasl.h>
#include <stdbool.h>

/*
 * Start a session of LY__SCRAM_MECHANISM; side is the server or client that it belongs to. Returns 0 or
 * -ENOMEM.
 */
int ly__gsasl_start(Gsasl_session **ret_session, bool is_server, const uint8_t binding[LY__SCRAM_BINDING],
                    void *side);

/*
 * One step of it. *failed becomes negative where what libgsasl has asked for could not be had: it may go on
 * all the same, but its answer is not sent then. Returns 0, 1 or a negative error; the answer is appended to
 * out.
 */
int ly__gsasl_step(Gsasl_session *session, const void *message, size_t n, const int *failed,
                   struct ly_buffer *out);

/* End it; what it holds of secrets is wiped. NULL is allowed. */
void ly__gsasl_finish(Gsasl_session *session);

/* Set a property to bytes in base64. Returns a code of libgsasl. */
int ly__gsasl_set_base64(Gsasl_session *session, Gsasl_property property, const void *bytes, size_t n);

/* What libgsasl asks each side for while it runs. They return its codes. */
int ly__scram_server_ask(struct ly__scram_server *s, Gsasl_property property);
int ly__scram_client_ask(struct ly__scram_client *c, Gsasl_property property);

/* The salted password (RFC 5802, 3), the slow part. Returns 0 or -ENOMEM. */
int ly__scram_salt(const char *prepared, const void *salt, size_t salt_length, uint32_t iterations,
                   uint8_t ret_salted[LY__SCRAM_KEY]);

#endif
