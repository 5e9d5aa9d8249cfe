/* SPDX-License-Identifier: MIT */
/* TLS records made by the kernel (tls_kernel.c). */
#ifndef LY_NET_TLS_KERNEL_H
#define LY_NET_TLS_KERNEL_H

#include <linux/tls.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct ly__tls_conn;

#define LY__TLS_SECRET EVP_MAX_MD_SIZE /* bytes of a traffic secret at most */
#define LY__TLS_KEY 32                 /* of a record key at most */
#define LY__TLS_IV 12

/* What it takes to hand a connection's sending to the kernel. A connection has none where that cannot be. */
struct ly__tls_kernel {
    unsigned char secret[LY__TLS_SECRET]; /* that our records are encrypted under; wiped once it is used */
    size_t secret_length;
    uint64_t records; /* that OpenSSL has made under it */
    bool unfit;       /* never: the secret has changed, or the kernel has refused */
    bool on;          /* the kernel makes the records, and nothing of OpenSSL's goes out any more */
    bool unsure;      /* whether all that was sent is with TCP yet */
    bool has_alert;   /* `alert` is to be sent */
    unsigned char alert[2];
};

/* What setsockopt(2) takes, for any of the ciphers. */
union ly__tls_crypto {
    struct tls_crypto_info info;
    struct tls12_crypto_info_aes_gcm_128 aes128;
    struct tls12_crypto_info_aes_gcm_256 aes256;
    struct tls12_crypto_info_chacha20_poly1305 chacha;
};

/* Whether this kernel has TLS; asked once in a process. */
bool ly__tls_kernel_is_there(void);

/* Have the context's connections keep what ly__tls_kernel_begin needs. Before any is made. */
void ly__tls_kernel_prepare(SSL_CTX *ssl);

/* The key and the iv of records under a traffic secret (RFC 8446, 7.3). Returns 0 or -ENOMEM. */
int ly__tls_kernel_derive(const EVP_MD *hash, const unsigned char *secret, size_t n, unsigned char *ret_key,
                          size_t key_length, unsigned char ret_iv[LY__TLS_IV]);

/* What the kernel has to know to make the connection's next record. The caller wipes it. Returns its bytes;
 * -EOPNOTSUPP: that is not known, or it has no such cipher. */
ssize_t ly__tls_kernel_crypto(const struct ly__tls_conn *c, union ly__tls_crypto *ret);

/* All that OpenSSL has written is sent: let the kernel make the records from now on. Returns 0 or
 * -EOPNOTSUPP, after which everything is as before. */
int ly__tls_kernel_begin(struct ly__tls_conn *c, int fd);

/* Once it is on: whether more may be sent. Returns 0 or the connection's error. */
int ly__tls_kernel_check(struct ly__tls_conn *c);

/* Once it is on: as sendmsg(2), without waiting. Returns the bytes taken or -errno. */
ssize_t ly__tls_kernel_send(struct ly__tls_kernel *k, int fd, struct iovec *iov, size_t count);

/* Send the alert that is to be sent, and see that the socket has room, so that nothing stays behind in front
 * of TCP. Does not wait. Returns 0, -EAGAIN (wait until it can be sent to, and call again) or -errno. */
int ly__tls_kernel_settle(struct ly__tls_kernel *k, int fd);

/* End the record that sendfile(2) may have left open. Does not wait. */
void ly__tls_kernel_push(int fd);

void ly__tls_kernel_free(struct ly__tls_kernel *k); /* NULL is accepted */

static inline bool ly__tls_kernel_is_on(const struct ly__tls_kernel *k)
{
    return __builtin_expect(k != NULL, 0) && k->on;
}

#endif
