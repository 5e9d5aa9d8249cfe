/* SPDX-License-Identifier: MIT */
/* What OpenSSL says of failures, as results and as text. */
#include "net/tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

int ly__tls_failed(unsigned long *ret_code)
{
    unsigned long code = ERR_peek_error();
    int r = LY_ETLS;
    *ret_code = code;
    if (ERR_SYSTEM_ERROR(code))
        r = -ERR_GET_REASON(code); /* of a file */
    /* Memory is asked for in many places, and what fails for the want of it is often reported first. */
    while ((code = ERR_get_error()) != 0) {
        if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
            r = -ENOMEM;
    }
    return r;
}

/* What OpenSSL was given last, if it came from a peer that speaks first and another protocol. */
static const char *name_protocol(const struct ly__tls_bytes *in)
{
    static const struct {
        const char *begins, *name;
    } rows[] = {{"SSH-", "SSH"},         {"HTTP/", "HTTP"},       {"<html", "HTTP"}, {"<!DOCTYPE", "HTTP"},
                {"220 ", "SMTP or FTP"}, {"220-", "SMTP or FTP"}, {"+OK ", "POP3"},  {"* OK ", "IMAP"}};
    for (size_t i = 0; in->at && i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].begins);
        if (in->end >= n && memcmp(in->at, rows[i].begins, n) == 0)
            return rows[i].name;
    }
    return NULL;
}

size_t ly__tls_add_protocol(const struct ly__tls_bytes *in, char *buf, size_t n, size_t cap)
{
    const char *name = name_protocol(in);
    int more = name && n < cap ? snprintf(buf + n, cap - n, " (it speaks %s)", name) : 0;
    return n + (more > 0 ? (size_t)more : 0);
}

size_t ly__tls_describe(unsigned long code, long verify_result, char *buf, size_t cap)
{
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    int n;
    if (!code)
        n = snprintf(buf, cap, "%s", "");
    else if (!reason)
        n = snprintf(buf, cap, "OpenSSL's error %lx", code);
    else if (verify_result != X509_V_OK)
        n = snprintf(buf, cap, "%s: %s", reason, X509_verify_cert_error_string(verify_result));
    else
        n = snprintf(buf, cap, "%s", reason);
    return n > 0 ? (size_t)n : 0;
}
