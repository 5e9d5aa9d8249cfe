/* SPDX-License-Identifier: MIT */
/*
 * TLS records made by the kernel. What leads up to it is tested everywhere, with the test in the kernel's
 * place: it makes the next record of what the kernel would be told. The rest needs a kernel with TLS, which
 * scripts/check-kernel-tls brings along.
 */
#include "tls_pair.h"

#include "net/tls.h"
#include "net/tls_proof.h"
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define MUCH (3 << 20)
#define LARGE (300 << 10) /* enough for the kernel to be asked */

static char file_bytes[MUCH], got[MUCH];
static int file; /* with these bytes */

static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                     "TLS_CHACHA20_POLY1305_SHA256"};
enum { SUITES = sizeof suites / sizeof *suites };

static struct ly__tls_conn *conn_of(const struct ly_sock *s)
{
    return atomic_load(&ly__tls_sock_of(s)->conn);
}

/* A pair over TCP of which the server keeps what the kernel needs. suite NULL: as it comes. */
static int tcp_up(struct tls_pair *p, const struct ly_tls_options *server, const char *suite)
{
    struct ly_sock *a, *b;
    *p = (struct tls_pair){.server_result = 1};
    NEED_OK(ly_tls_open(&p->server_context, server));
    NEED_OK(ly_tls_open(&p->client_context, CLIENT(.verify = LY_TLS_VERIFY_NONE)));
    if (!server->no_kernel)
        ly__tls_kernel_prepare(p->server_context->ssl);
    if (suite)
        NEED_INT(SSL_CTX_set_ciphersuites(p->server_context->ssl, suite), 1);
    NEED_OK(tcp_pair(&a, &b));
    NEED_OK(ly_tls_wrap(&p->server, a, p->server_context, NULL));
    NEED_OK(ly_tls_wrap(&p->client, b, p->client_context, NULL));
    NEED_OK(tls_shake(p));
    NEED_OK(p->server_result);
    return p->client_result;
}

static int make_file(void)
{
    char path[] = "/tmp/lanyard-tls-kernel-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    unlink(path);
    for (int i = 0; i < MUCH; i++)
        file_bytes[i] = (char)(i * 13 + i / 1000);
    return write(fd, file_bytes, MUCH) == MUCH ? fd : -1;
}

/* ---- keys ---- */

static bool has_bytes(const unsigned char *bytes, size_t n, const char *hex)
{
    char text[2 * LY__TLS_KEY + 1];
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return strcmp(text, hex) == 0;
}

/* RFC 8448, 3: server_application_traffic_secret_0 and client_application_traffic_secret_0 */
static int keys_follow_from_secrets_as_in_rfc_8448(void *arg)
{
    static const char *const vectors[][3] = {
        {"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
         "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"},
        {"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
         "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"},
    };
    unsigned char key[LY__TLS_KEY], iv[LY__TLS_IV];
    (void)arg;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        long n = 0;
        unsigned char *secret = OPENSSL_hexstr2buf(vectors[i][0], &n);
        NEED_INT(n, 32);
        NEED_OK(ly__tls_kernel_derive(EVP_sha256(), secret, (size_t)n, key, 16, iv));
        OPENSSL_free(secret);
        NEED(has_bytes(key, 16, vectors[i][1]));
        NEED(has_bytes(iv, sizeof iv, vectors[i][2]));
    }
    return 0;
}

/* ---- the test as the kernel ---- */

/* The parts of what the kernel is told. */
struct told {
    const EVP_CIPHER *cipher;
    const unsigned char *key;
    unsigned char nonce[LY__TLS_IV]; /* of the next record */
    size_t bytes;
};

#define TOLD(t, how, part)                                                  \
    do {                                                                    \
        (t)->cipher = how;                                                  \
        (t)->key = (part).key;                                              \
        memcpy((t)->nonce, (part).salt, sizeof(part).salt);                 \
        memcpy((t)->nonce + sizeof(part).salt, (part).iv, sizeof(part).iv); \
        for (size_t i_ = 0; i_ < sizeof(part).rec_seq; i_++)                \
            (t)->nonce[4 + i_] ^= (part).rec_seq[i_];                       \
        (t)->bytes = sizeof(part);                                          \
    } while (0)

static void read_told(struct told *t, const union ly__tls_crypto *c)
{
    if (c->info.cipher_type == TLS_CIPHER_AES_GCM_128)
        TOLD(t, EVP_aes_128_gcm(), c->aes128);
    else if (c->info.cipher_type == TLS_CIPHER_AES_GCM_256)
        TOLD(t, EVP_aes_256_gcm(), c->aes256);
    else
        TOLD(t, EVP_chacha20_poly1305(), c->chacha);
}

/* RFC 8446, 5.2. Returns the record's bytes. */
static size_t make_record(const struct told *t, const char *text, unsigned char type, unsigned char *ret)
{
    size_t n = strlen(text);
    int length;
    unsigned char head[5] = {23, 3, 3, 0, (unsigned char)(n + 17)};
    memcpy(ret, head, sizeof head);
    EVP_CIPHER_CTX *e = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(e, t->cipher, NULL, t->key, t->nonce);
    EVP_EncryptUpdate(e, NULL, &length, head, sizeof head);
    EVP_EncryptUpdate(e, ret + 5, &length, (const unsigned char *)text, (int)n);
    EVP_EncryptUpdate(e, ret + 5 + n, &length, &type, 1);
    EVP_EncryptFinal_ex(e, ret + 6 + n, &length);
    EVP_CIPHER_CTX_ctrl(e, EVP_CTRL_AEAD_GET_TAG, 16, ret + 6 + n);
    EVP_CIPHER_CTX_free(e);
    return n + 22;
}

static int make_next_record(struct tls_pair *p)
{
    union ly__tls_crypto crypto;
    struct told told;
    unsigned char record[64];
    char text[8];
    ssize_t n = ly__tls_kernel_crypto(conn_of(p->server), &crypto);
    NEED(n > 0);
    NEED_INT(crypto.info.version, TLS_1_3_VERSION);
    read_told(&told, &crypto);
    NEED_INT(n, told.bytes);
    size_t length = make_record(&told, "next", 23, record);
    NEED_INT(send(ly_sock_fileno(p->server), record, length, 0), length);
    NEED_INT(ly_recvall(p->client, text, 4), 4);
    NEED(memcmp(text, "next", 4) == 0);
    return 0;
}

static int the_record_after_openssls_last_can_be_made(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2 * SUITES; i++) {
        struct tls_pair p;
        char c;
        NEED_OK(tcp_up(&p, SERVER(.no_tickets = i & 1), suites[i / 2]));
        for (int sent = 0; sent < i; sent++) {
            NEED_OK(ly_sendall(p.server, "x", 1));
            NEED_INT(ly_recvall(p.client, &c, 1), 1);
        }
        NEED_OK(make_next_record(&p));
        tls_free(&p);
    }
    return 0;
}

static int a_secret_that_has_changed_is_not_used(void *arg)
{
    struct tls_pair p;
    union ly__tls_crypto crypto;
    char c;
    (void)arg;
    NEED_OK(tcp_up(&p, SERVER(), NULL));
    NEED_INT(SSL_key_update(conn_of(p.server)->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    NEED_OK(ly_sendall(p.server, "x", 1));
    NEED_INT(ly_recvall(p.client, &c, 1), 1);
    NEED_INT(ly__tls_kernel_crypto(conn_of(p.server), &crypto), -EOPNOTSUPP);
    tls_free(&p);
    return 0;
}

/* ---- whether it is there ---- */

/* What the kernel says of itself. */
static bool kernel_lists_tls(void)
{
    char text[256] = "";
    FILE *f = fopen("/proc/sys/net/ipv4/tcp_available_ulp", "re");
    bool ok = f && fgets(text, sizeof text, f) && strstr(text, "tls");
    if (f)
        fclose(f);
    return ok;
}

static int the_probe_agrees_with_the_kernels_own_list(void *arg)
{
    (void)arg;
    NEED_INT(ly__tls_kernel_is_there(), kernel_lists_tls());
    return 0;
}

static int send_file(void *sock)
{
    int64_t sent = ly_sendfile(sock, file, 0, 0);
    return sent == MUCH ? 0 : sent < 0 ? (int)sent : -EPROTO;
}

/* The file, from the server to the client. */
static int send_and_compare(struct tls_pair *p)
{
    struct ly_scope *s;
    NEED_OK(ly_scope_open(&s, NULL));
    NEED_OK(ly_go(s, send_file, p->server));
    NEED_INT(ly_recvall(p->client, got, MUCH), MUCH);
    NEED(memcmp(got, file_bytes, MUCH) == 0);
    NEED_OK(ly_scope_join(s));
    ly_scope_close(s);
    return 0;
}

static bool all_zero(const unsigned char *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (at[i])
            return false;
    }
    return true;
}

/* Also where the kernel has TLS: not for Unix sockets. */
static int a_socket_that_the_kernel_refuses_goes_on_as_before(void *arg)
{
    struct tls_pair p;
    (void)arg;
    NEED_OK(tls_open(&p, SERVER(), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL));
    ly__tls_kernel_prepare(p.server_context->ssl);
    NEED_OK(tls_shake(&p));
    NEED_INT(ly__tls_kernel_begin(conn_of(p.server), ly_sock_fileno(p.server)), -EOPNOTSUPP);
    const struct ly__tls_kernel *k = conn_of(p.server)->kernel;
    NEED(k && k->unfit && !k->on && k->secret_length > 0);
    NEED(all_zero(k->secret, sizeof k->secret));
    NEED_OK(send_and_compare(&p));
    tls_free(&p);
    return 0;
}

static int without_the_kernel_a_connection_keeps_no_secret(void *arg)
{
    struct tls_pair p;
    (void)arg;
    NEED_OK(tcp_up(&p, SERVER(.no_kernel = true), NULL));
    NEED(!conn_of(p.server)->kernel);
    NEED_OK(send_and_compare(&p));
    NEED(!conn_of(p.server)->kernel);
    tls_free(&p);
    return 0;
}

/* It needs the callback by which records are counted. */
static int a_handshake_that_is_kept_leaves_the_kernel_out(void *arg)
{
    static const uint8_t challenge[LY__TLS_CHALLENGE] = {1};
    struct tls_pair p;
    (void)arg;
    NEED_OK(tls_open(&p, SERVER(), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL));
    ly__tls_kernel_prepare(p.server_context->ssl);
    NEED_OK(ly__tls_challenge(p.server, challenge));
    NEED_OK(tls_shake(&p));
    NEED_OK(p.server_result);
    NEED(!conn_of(p.server)->kernel);
    NEED_OK(send_and_compare(&p));
    tls_free(&p);
    return 0;
}

/* ---- with the kernel ---- */

#define NEED_KERNEL()                   \
    do {                                \
        if (!ly__tls_kernel_is_there()) \
            return EVERYWHERE_NOT_HERE; \
    } while (0)

static int a_small_file_leaves_the_kernel_out(void *arg)
{
    struct tls_pair p;
    NEED_KERNEL();
    (void)arg;
    NEED_OK(tcp_up(&p, SERVER(), NULL));
    NEED_INT(ly_sendfile(p.server, file, 0, 100000), 100000);
    NEED_INT(ly_recvall(p.client, got, 100000), 100000);
    NEED(memcmp(got, file_bytes, 100000) == 0);
    NEED(!conn_of(p.server)->kernel->on);
    tls_free(&p);
    return 0;
}

static int a_large_file_and_what_is_around_it_arrive_in_order(void *arg)
{
    char c[8];
    (void)arg;
    NEED_KERNEL();
    for (int i = 0; i < SUITES; i++) {
        struct tls_pair p;
        NEED_OK(tcp_up(&p, SERVER(), suites[i]));
        NEED_OK(ly_sendall(p.server, "before", 6));
        NEED_INT(ly_recvall(p.client, c, 6), 6);
        NEED_OK(send_and_compare(&p));
        NEED(conn_of(p.server)->kernel->on);
        NEED(all_zero(conn_of(p.server)->kernel->secret, LY__TLS_SECRET));
        NEED_OK(ly_sendall(p.server, "behind", 6));
        NEED_INT(ly_recvall(p.client, c, 6), 6);
        NEED(memcmp(c, "behind", 6) == 0);
        NEED_OK(ly_sendall(p.client, "answer", 6));
        NEED_INT(ly_recvall(p.server, c, 6), 6);
        NEED_OK(send_and_compare(&p));
        NEED_OK(ly_shutdown(p.server, SHUT_WR));
        NEED_INT(ly_recv(p.client, c, 1), 0);
        NEED_INT(ly_sendall(p.server, "x", 1), -EPIPE);
        NEED_OK(ly_sendall(p.client, "half", 4));
        NEED_INT(ly_recvall(p.server, c, 4), 4);
        tls_free(&p);
    }
    return 0;
}

static int send_pieces(void *sock)
{
    struct iovec pieces[200];
    size_t piece = MUCH / 200, at = 0;
    for (int i = 0; i < 200; i++) {
        size_t n = i == 199 ? MUCH - at : i % 3 == 0 ? 7 : piece;
        pieces[i] = (struct iovec){.iov_base = file_bytes + at, .iov_len = n};
        at += n;
    }
    return ly_sendallv(sock, pieces, 200, 0);
}

static int pieces_of_any_size_go_by_the_kernel_in_order(void *arg)
{
    struct tls_pair p;
    struct ly_scope *s;
    (void)arg;
    NEED_KERNEL();
    NEED_OK(tcp_up(&p, SERVER(), NULL));
    NEED_OK(send_and_compare(&p));
    memset(got, 0, MUCH);
    NEED_OK(ly_scope_open(&s, NULL));
    NEED_OK(ly_go(s, send_pieces, p.server));
    NEED_INT(ly_recvall(p.client, got, MUCH), MUCH);
    NEED(memcmp(got, file_bytes, MUCH) == 0);
    NEED_OK(ly_scope_join(s));
    ly_scope_close(s);
    tls_free(&p);
    return 0;
}

/* With a full socket all the way: the kernel has records in front of TCP again and again. */
static int send_and_close(void *sock)
{
    int r = send_file(sock);
    ly_sock_close(sock);
    return r;
}

static int closing_right_behind_a_file_loses_nothing(void *arg)
{
    (void)arg;
    NEED_KERNEL();
    for (int i = 0; i < 8; i++) {
        struct tls_pair p;
        struct ly_scope *s;
        ssize_t n = 1, total = 0;
        NEED_OK(tcp_up(&p, SERVER(), NULL));
        NEED_OK(ly_scope_open(&s, NULL));
        NEED_OK(ly_go(s, send_and_close, p.server));
        while (n > 0) {
            n = ly_recv(p.client, got + total, (size_t)(MUCH - total + 1 < 5000 ? MUCH - total : 5000));
            total += n > 0 ? n : 0;
            if (total == MUCH)
                break;
        }
        NEED_INT(total, MUCH);
        NEED(memcmp(got, file_bytes, MUCH) == 0);
        NEED_INT(ly_recv(p.client, got, 1), 0); /* the closing message */
        NEED_OK(ly_scope_join(s));
        ly_scope_close(s);
        tls_free(&p);
    }
    return 0;
}

static int a_file_that_ends_early_is_not_held_back(void *arg)
{
    struct tls_pair p;
    (void)arg;
    NEED_KERNEL();
    NEED_OK(tcp_up(&p, SERVER(), NULL));
    NEED_INT(ly_sendfile(p.server, file, MUCH - LARGE, 2 * LARGE), LARGE);
    NEED(conn_of(p.server)->kernel->on);
    NEED_INT(ly_recvall(p.client, got, LARGE), LARGE);
    NEED(memcmp(got, file_bytes + MUCH - LARGE, LARGE) == 0);
    tls_free(&p);
    return 0;
}

static int a_peer_that_asks_for_new_keys_is_told_and_the_stream_ends(void *arg)
{
    struct tls_pair p;
    char c, why[LY_TLS_WHY];
    (void)arg;
    NEED_KERNEL();
    NEED_OK(tcp_up(&p, SERVER(), NULL));
    NEED_OK(send_and_compare(&p));
    NEED_INT(SSL_key_update(conn_of(p.client)->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    NEED_OK(ly_sendall(p.client, "x", 1));
    NEED_INT(ly_recv(p.server, &c, 1), 1); /* what came with it is not lost */
    NEED_INT(ly_sendall(p.server, "y", 1), LY_ETLS);
    NEED_INT(ly_recv(p.server, &c, 1), LY_ETLS);
    NEED(ly_tls_why(p.server, why, sizeof why) > 0 && strstr(why, "key updates"));
    ly_sock_close(p.server);
    NEED_INT(ly_recv(p.client, &c, 1), LY_ETLS); /* the alert, readable */
    NEED(ly_tls_why(p.client, why, sizeof why) > 0 && strstr(why, "unexpected message"));
    tls_free(&p);
    return 0;
}

static int an_alert_of_openssls_goes_out_by_the_kernel(void *arg)
{
    struct tls_pair p;
    char c, why[LY_TLS_WHY];
    (void)arg;
    NEED_KERNEL();
    NEED_OK(tcp_up(&p, SERVER(), NULL));
    NEED_OK(send_and_compare(&p));
    NEED_INT(send(ly_sock_fileno(p.client), "\27\3\3\0\30ABCDEFGHIJKLMNOPQRSTUVWX", 29, 0), 29);
    NEED_INT(ly_recv(p.server, &c, 1), LY_ETLS);
    ly_sock_close(p.server);
    NEED_INT(ly_recv(p.client, &c, 1), LY_ETLS);
    NEED(ly_tls_why(p.client, why, sizeof why) > 0 && strstr(why, "bad record mac"));
    tls_free(&p);
    return 0;
}

static int a_socket_with_a_tiny_buffer_is_not_handed_over(void *arg)
{
    struct tls_pair p;
    int size = 8192;
    (void)arg;
    NEED_KERNEL();
    NEED_OK(tcp_up(&p, SERVER(), NULL));
    NEED_OK(setsockopt(ly_sock_fileno(p.server), SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    NEED_OK(send_and_compare(&p));
    NEED(!conn_of(p.server)->kernel->on);
    tls_free(&p);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(keys_follow_from_secrets_as_in_rfc_8448),
        BODY(the_record_after_openssls_last_can_be_made),
        BODY(a_secret_that_has_changed_is_not_used),
        BODY(the_probe_agrees_with_the_kernels_own_list),
        BODY(a_socket_that_the_kernel_refuses_goes_on_as_before),
        BODY(without_the_kernel_a_connection_keeps_no_secret),
        BODY(a_handshake_that_is_kept_leaves_the_kernel_out),
        BODY(a_small_file_leaves_the_kernel_out),
        BODY(a_large_file_and_what_is_around_it_arrive_in_order),
        BODY(pieces_of_any_size_go_by_the_kernel_in_order),
        BODY(closing_right_behind_a_file_loses_nothing),
        BODY(a_file_that_ends_early_is_not_held_back),
        BODY(a_peer_that_asks_for_new_keys_is_told_and_the_stream_ends),
        BODY(an_alert_of_openssls_goes_out_by_the_kernel),
        BODY(a_socket_with_a_tiny_buffer_is_not_handed_over),
    };
    if (!ly__tls_kernel_is_there())
        fprintf(stderr, "# this kernel has no TLS (module tls): what needs it is skipped\n");
    file = make_file();
    make_certificates();
    int r = EVERYWHERE("net/tls_kernel", bodies);
    free_certificates();
    return r;
}
