/* SPDX-License-Identifier: MIT */
/* Keys and certificates for tests, as PEM text: signed by themselves or by another. */
#ifndef TESTS_CERTIFICATES_H
#define TESTS_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct certificate {
    EVP_PKEY *own;
    X509 *x509;
    char pem[4096], key[4096];
    unsigned char identity[32]; /* SHA-256 of its SubjectPublicKeyInfo */
};

static inline void certificate_text(char *ret, size_t cap, BIO *bio)
{
    int n = BIO_read(bio, ret, (int)cap - 1);
    ret[n > 0 ? n : 0] = 0;
    BIO_free(bio);
}

static inline void certificate_extend(struct certificate *c, int what, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, what, value);
    X509_add_ext(c->x509, e, -1);
    X509_EXTENSION_free(e);
}

/* own: its key, taken. The rest as in certificate_make. */
static inline void certificate_make_of(struct certificate *c, EVP_PKEY *own, const char *names,
                                       struct certificate *issuer, int days)
{
    memset(c, 0, sizeof *c);
    c->own = own;
    c->x509 = X509_new();
    X509_set_version(c->x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c->x509), (long)(1 + (issuer != NULL)));
    X509_gmtime_adj(X509_getm_notBefore(c->x509), days < 0 ? -days * 86400L * -2 : -60);
    X509_gmtime_adj(X509_getm_notAfter(c->x509), days * 86400L);
    X509_set_pubkey(c->x509, c->own);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c->x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)(names ? "leaf" : "root"), -1, -1, 0);
    X509_set_issuer_name(c->x509, X509_get_subject_name(issuer ? issuer->x509 : c->x509));
    certificate_extend(c, NID_basic_constraints, names ? "CA:FALSE" : "critical,CA:TRUE");
    if (names)
        certificate_extend(c, NID_subject_alt_name, names);
    EVP_PKEY *by = issuer ? issuer->own : c->own;
    X509_sign(c->x509, by, EVP_PKEY_is_a(by, "ED25519") ? NULL : EVP_sha256());

    BIO *pem = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(pem, c->x509);
    PEM_write_bio_PrivateKey(key, c->own, NULL, NULL, 0, NULL, NULL);
    certificate_text(c->pem, sizeof c->pem, pem);
    certificate_text(c->key, sizeof c->key, key);
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x509), &der);
    EVP_Digest(der, (size_t)n, c->identity, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
}

/* names: what it is for, as "DNS:localhost,IP:127.0.0.1"; NULL: it signs others. issuer NULL: itself. days:
 * of its validity from now; below 0: it has expired. */
static inline void certificate_make(struct certificate *c, const char *names, struct certificate *issuer,
                                    int days)
{
    certificate_make_of(c, EVP_EC_gen("P-256"), names, issuer, days);
}

static inline void certificate_free(struct certificate *c)
{
    EVP_PKEY_free(c->own);
    X509_free(c->x509);
}

#endif
