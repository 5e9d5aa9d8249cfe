/* SPDX-License-Identifier: MIT */
/*
 * Kernel TLS, for sending only.
 *
 * What it is for: a large file. OpenSSL's way has four copies of each byte (page cache to a buffer, to
 * OpenSSL's record, to our buffer, to the socket). If the kernel makes the records, sendfile(2) does it all:
 * it encrypts from the page cache into the pages that TCP sends. So a connection is handed over when
 * ly_sendfile comes with a file that is large enough, and never before; most never are.
 *
 * How: OpenSSL cannot do it for us, as it has no descriptor (tls_bio.c). It has shaken hands; what the kernel
 * needs is the key of our direction and the number of the next record. The traffic secret comes by the
 * callback that is meant for key logs, at the very moment at which OpenSSL takes it into use; key and iv
 * follow from it (RFC 8446, 7.3); and the records from that moment on are counted by the callback that shows
 * each record header, tickets among them. Once all that OpenSSL wrote has left our buffer the kernel can go
 * on where it stopped. Receiving stays OpenSSL's: it is the harder half to hand over (bytes are in our buffer
 * already) and gains the least.
 *
 * Afterwards:
 *   - what OpenSSL writes would be encrypted with a number of a record that the kernel has used already. So
 *     nothing of it goes out (tls_bio.c drops it), and the callback says what it was. An alert, the closing
 *     message first of all, is sent again by way of the kernel. Anything else can only be an answer to a
 *     peer that asks for new keys (KeyUpdate): kernels before 6.14 cannot change them, so the connection ends
 *     with an error and an alert, not with bytes that nobody can read. No browser, no curl, no client of ours
 *     asks for that.
 *   - the kernel keeps up to one record of its own in front of TCP when TCP is full, and a shutdown(2) or
 *     close(2) would drop it. So a call that sends ends only once there is room in the socket, at least a
 *     third of its buffer: then that record has gone, or will go with the next call. Sockets whose buffer is
 *     too small for that are not handed over.
 *
 * Callbacks and the state of a connection are there only if this kernel has TLS when a server's context is
 * made; elsewhere nothing changes.
 */
#include "net/tls.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sslerr.h>
#include <openssl/tls1.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define ALERT 21     /* types of records: RFC 8446, B.1 */
#define HANDSHAKE 22 /* messages: B.3 */
#define DATA 23
#define KEY_UPDATE 24
#define FATAL 2 /* alerts: B.2 */
#define UNEXPECTED_MESSAGE 10

#define BUFFER_LEAST (64 << 10) /* bytes: a third of it holds a record and an alert */

/* ---- is it there? ---- */

static bool is_there;

/* A socket without a peer is refused for that, if it is not refused because there is no such thing. This
 * also loads the module where we may. */
static void probe(void)
{
    const int before_4_20 = 524; /* ENOTSUPP, which only the kernel has a name for */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    int r = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls" - 1);
    is_there = r == 0 || errno == ENOTCONN || errno == before_4_20;
    close(fd);
}

bool ly__tls_kernel_is_there(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, probe);
    return is_there;
}

/* ---- what OpenSSL tells ---- */

static struct ly__tls_conn *conn_of(const SSL *ssl)
{
    BIO *bio = SSL_get_rbio(ssl);
    return bio ? BIO_get_data(bio) : NULL;
}

static bool read_hex(const char *text, unsigned char *ret, size_t cap, size_t *ret_n)
{
    size_t n = strlen(text);
    bool ok = n % 2 == 0 && n / 2 <= cap && n > 0;
    for (size_t i = 0; ok && i < n / 2; i++) {
        int high = OPENSSL_hexchar2int((unsigned char)text[2 * i]);
        int low = OPENSSL_hexchar2int((unsigned char)text[2 * i + 1]);
        ok = high >= 0 && low >= 0;
        ret[i] = (unsigned char)(high << 4 | low);
    }
    *ret_n = n / 2;
    return ok;
}

static void see_message(int written, int version, int type, const void *bytes, size_t n, SSL *ssl, void *arg);

/* A line of a key log: a label, the client's random bytes, and a secret that is in use from now on. */
static void take_secret(const SSL *ssl, const char *line)
{
    const char *label = SSL_is_server(ssl) ? "SERVER_TRAFFIC_SECRET_0 " : "CLIENT_TRAFFIC_SECRET_0 ";
    struct ly__tls_conn *c = conn_of(ssl);
    const char *secret = strrchr(line, ' ');
    if (!c || strncmp(line, label, strlen(label)) != 0 || c->kernel || c->record)
        return; /* record: who keeps the handshake has the other callback */
    struct ly__tls_kernel *k = OPENSSL_zalloc(sizeof *k);
    if (!k)
        return; /* it goes without */
    k->unfit = !read_hex(secret + 1, k->secret, sizeof k->secret, &k->secret_length);
    c->kernel = k;
    SSL_set_msg_callback((SSL *)(uintptr_t)ssl, see_message);
}

static void set_alert(struct ly__tls_kernel *k, unsigned char level, unsigned char what)
{
    k->alert[0] = level;
    k->alert[1] = what;
    k->has_alert = true;
}

/* OpenSSL has written something that is neither an alert nor data: see above. */
static void refuse(struct ly__tls_conn *c)
{
    if (c->error)
        return;
    c->error = LY_ETLS;
    c->code = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_TOO_MANY_KEY_UPDATES);
    set_alert(c->kernel, FATAL, UNEXPECTED_MESSAGE);
}

static void see_message(int written, int version, int type, const void *bytes, size_t n, SSL *ssl, void *arg)
{
    struct ly__tls_conn *c = written ? conn_of(ssl) : NULL;
    const unsigned char *b = bytes;
    (void)version, (void)arg;
    if (!c || !c->kernel)
        return;
    struct ly__tls_kernel *k = c->kernel;
    if (type == SSL3_RT_HEADER)
        k->records++;
    else if (type == HANDSHAKE && n > 0 && b[0] == KEY_UPDATE)
        k->unfit = true; /* the secret is another one now */
    else if (k->on && type == SSL3_RT_INNER_CONTENT_TYPE && n > 0 && b[0] == HANDSHAKE)
        refuse(c);
    else if (k->on && type == ALERT && n == sizeof k->alert && !k->has_alert)
        set_alert(k, b[0], b[1]);
}

void ly__tls_kernel_prepare(SSL_CTX *ssl)
{
    SSL_CTX_set_keylog_callback(ssl, take_secret);
}

void ly__tls_kernel_free(struct ly__tls_kernel *k)
{
    OPENSSL_clear_free(k, sizeof *k);
}

/* ---- keys ---- */

/* HKDF-Expand-Label(secret, label, "", n) */
static bool expand(EVP_KDF_CTX *kdf, const EVP_MD *hash, const unsigned char *secret, size_t n,
                   const char *label, unsigned char *ret, size_t length)
{
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)EVP_MD_get0_name(hash), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret, n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (void *)(uintptr_t) "tls13 ", 6),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *)(uintptr_t)label, strlen(label)),
        OSSL_PARAM_construct_end()};
    EVP_KDF_CTX_reset(kdf);
    return EVP_KDF_derive(kdf, ret, length, params) > 0;
}

int ly__tls_kernel_derive(const EVP_MD *hash, const unsigned char *secret, size_t n, unsigned char *ret_key,
                          size_t key_length, unsigned char ret_iv[LY__TLS_IV])
{
    EVP_KDF *method = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
    EVP_KDF_CTX *kdf = method ? EVP_KDF_CTX_new(method) : NULL;
    bool ok = kdf && expand(kdf, hash, secret, n, "key", ret_key, key_length) &&
              expand(kdf, hash, secret, n, "iv", ret_iv, LY__TLS_IV);
    EVP_KDF_CTX_free(kdf);
    EVP_KDF_free(method);
    return ok ? 0 : -ENOMEM;
}

/* Lay out what was derived as the kernel has it: AES's iv in two parts, ChaCha20's in one. */
static size_t lay_out(union ly__tls_crypto *ret, uint16_t type, const unsigned char *key,
                      const unsigned char *iv, const unsigned char *number)
{
#define LAY_OUT(part)                                                                                       \
    (memcpy((part).key, key, sizeof(part).key), memcpy((part).iv, iv + sizeof(part).salt, sizeof(part).iv), \
     memcpy((part).salt, iv, sizeof(part).salt), memcpy((part).rec_seq, number, sizeof(part).rec_seq),      \
     sizeof(part))
    *ret = (union ly__tls_crypto){.info = {.version = TLS_1_3_VERSION, .cipher_type = type}};
    switch (type) {
    case TLS_CIPHER_AES_GCM_128:
        return LAY_OUT(ret->aes128);
    case TLS_CIPHER_AES_GCM_256:
        return LAY_OUT(ret->aes256);
    default:
        return LAY_OUT(ret->chacha);
    }
#undef LAY_OUT
}

static const struct cipher {
    uint32_t id; /* OpenSSL's */
    uint16_t type;
    size_t key_length;
} ciphers[] = {
    {TLS1_3_CK_AES_128_GCM_SHA256, TLS_CIPHER_AES_GCM_128, TLS_CIPHER_AES_GCM_128_KEY_SIZE},
    {TLS1_3_CK_AES_256_GCM_SHA384, TLS_CIPHER_AES_GCM_256, TLS_CIPHER_AES_GCM_256_KEY_SIZE},
    {TLS1_3_CK_CHACHA20_POLY1305_SHA256, TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_CHACHA20_POLY1305_KEY_SIZE},
};

static const struct cipher *find_cipher(const SSL_CIPHER *used)
{
    for (size_t i = 0; used && i < sizeof ciphers / sizeof *ciphers; i++) {
        if (SSL_CIPHER_get_id(used) == ciphers[i].id)
            return &ciphers[i];
    }
    return NULL;
}

ssize_t ly__tls_kernel_crypto(const struct ly__tls_conn *c, union ly__tls_crypto *ret)
{
    const struct ly__tls_kernel *k = c->kernel;
    const SSL_CIPHER *used = SSL_get_current_cipher(c->ssl);
    const struct cipher *cipher = find_cipher(used);
    unsigned char key[LY__TLS_KEY], iv[LY__TLS_IV], number[8];
    if (!k || k->unfit || k->on || !cipher || SSL_get_key_update_type(c->ssl) != SSL_KEY_UPDATE_NONE)
        return -EOPNOTSUPP;
    for (int i = 0; i < 8; i++)
        number[i] = (unsigned char)(k->records >> (56 - 8 * i));
    int r = ly__tls_kernel_derive(SSL_CIPHER_get_handshake_digest(used), k->secret, k->secret_length, key,
                                  cipher->key_length, iv);
    size_t n = r == 0 ? lay_out(ret, cipher->type, key, iv, number) : 0;
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(iv, sizeof iv);
    ERR_clear_error();
    return r == 0 ? (ssize_t)n : -EOPNOTSUPP;
}

/* ---- handing over ---- */

static bool has_room_enough(int fd)
{
    int size = 0;
    socklen_t n = sizeof size;
    return getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &n) == 0 && size >= BUFFER_LEAST;
}

int ly__tls_kernel_begin(struct ly__tls_conn *c, int fd)
{
    struct ly__tls_kernel *k = c->kernel;
    union ly__tls_crypto crypto;
    if (!k || k->unfit)
        return -EOPNOTSUPP;
    ssize_t n = ly__tls_kernel_crypto(c, &crypto);
    k->on = n > 0 && has_room_enough(fd) &&
            setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls" - 1) == 0 &&
            setsockopt(fd, SOL_TLS, TLS_TX, &crypto, (socklen_t)n) == 0;
    k->unfit = !k->on;
    OPENSSL_cleanse(&crypto, sizeof crypto);
    OPENSSL_cleanse(k->secret, sizeof k->secret);
    return k->on ? 0 : -EOPNOTSUPP;
}

/* ---- once it is on ---- */

/* OpenSSL answers a request for new keys when it is next given something to send, which it never is. */
int ly__tls_kernel_check(struct ly__tls_conn *c)
{
    if (SSL_get_key_update_type(c->ssl) != SSL_KEY_UPDATE_NONE)
        refuse(c);
    return c->error;
}

/* A record of a type other than data is asked for by ancillary data. */
static ssize_t send_record(int fd, unsigned char type, void *bytes, size_t n)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(1)];
    } control = {.head = {.cmsg_level = SOL_TLS, .cmsg_type = TLS_SET_RECORD_TYPE, .cmsg_len = CMSG_LEN(1)}};
    struct iovec piece = {.iov_base = bytes, .iov_len = n};
    struct msghdr m = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t r;
    *CMSG_DATA(&control.head) = type;
    do {
        r = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

ssize_t ly__tls_kernel_send(struct ly__tls_kernel *k, int fd, struct iovec *iov, size_t count)
{
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = count};
    ssize_t r;
    k->unsure = true;
    do {
        r = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

int ly__tls_kernel_settle(struct ly__tls_kernel *k, int fd)
{
    while (k->unsure || k->has_alert) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int ready = poll(&p, 1, 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready < 0 ? -errno : -EAGAIN;
        k->unsure = false;
        if (!k->has_alert)
            break;
        ssize_t r = send_record(fd, ALERT, k->alert, sizeof k->alert);
        if (r < 0)
            return (int)r;
        k->has_alert = false;
        k->unsure = true;
    }
    return 0;
}

void ly__tls_kernel_push(int fd)
{
    (void)send_record(fd, DATA, NULL, 0);
}
