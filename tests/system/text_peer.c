/* SPDX-License-Identifier: MIT */
/*
 * Files over sockets as a program, to be compared with another implementation. One line of standard input a
 * case, one line of standard output its answer:
 *
 *     read ENCODING ERRORS NEWLINE BUFFERING AMOUNTS CHUNK...
 *     poll ENCODING ERRORS NEWLINE BUFFERING AMOUNTS CHUNK...
 *     write ENCODING ERRORS NEWLINE BUFFERING PIECE...
 *
 * Bytes are in hexadecimal, "-" where there are none. ENCODING is "binary" or a name; ERRORS strict, replace
 * or ignore; NEWLINE the bytes of it, or "none". AMOUNTS is a word of operations, done again and again until
 * the end: "r5," reads 5 characters, "l," a line, "l5," at most 5 characters of one, "b," borrows one, "a,"
 * all. Each CHUNK is sent when the reader has looked at the one before.
 *
 * The answer of a read is what each operation gave; "!NAME" for an error, and behind LY_EDECODE what could
 * still be read. The answer of a write is what the peer received.
 */
#include <errno.h>
#include <lanyard/lanyard.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MOST ((size_t)1 << 20)

static char out[MOST];

static void die(const char *what)
{
    fprintf(stderr, "text_peer: %s\n", what);
    exit(1);
}

static void need(int r)
{
    if (r < 0)
        die(ly_error_name(r));
}

/* The bytes that hexadecimal digits stand for, in place. */
static size_t unhex(char *word)
{
    size_t n = 0, end = *word == '-' ? 0 : strlen(word) / 2;
    for (; n < end; n++) {
        char pair[3] = {word[2 * n], word[2 * n + 1], 0};
        word[n] = (char)strtoul(pair, NULL, 16);
    }
    word[n] = 0;
    return n;
}

static void put_hex(const char *bytes, size_t n)
{
    printf(n ? "" : "-");
    for (size_t i = 0; i < n; i++)
        printf("%02x", (unsigned char)bytes[i]);
    printf(" ");
}

struct writer {
    struct ly_sock *sock;
    char *rest; /* the chunks that are still to be sent */
};

/* Send the next chunk, or the end: then false. */
static bool send_chunk(struct writer *w)
{
    char *word = strtok_r(w->rest, " \n", &w->rest);
    if (word)
        need(ly_sendall(w->sock, word, unhex(word)));
    else
        need(ly_shutdown(w->sock, SHUT_WR));
    return word;
}

static int send_chunks(void *arg)
{
    while (send_chunk(arg)) {
        ly_sleep(0);
        ly_sleep(0);
    }
    return 0;
}

/* One operation; moves *at behind it. */
static ssize_t operate(struct ly_file *f, const char **at)
{
    char *end;
    const char *line;
    char what = **at;
    size_t n = strtoul(*at + 1, &end, 10);
    *at = end + (*end == ',');
    n = n ? n : LY_FILE_ALL;
    if (what == 'r')
        return ly_file_read(f, out, sizeof out, n);
    if (what == 'l')
        return ly_file_readline(f, out, sizeof out, n);
    if (what == 'b') {
        ssize_t r = ly_file_line(f, &line);
        if (r > 0)
            memcpy(out, line, (size_t)r);
        return r;
    }
    struct ly_buffer all;
    ly_buffer_init(&all, sizeof out);
    int r = ly_file_readall(f, &all);
    if (all.length > 0)
        memcpy(out, ly_buffer_bytes(&all), all.length);
    size_t length = all.length;
    ly_buffer_done(&all);
    return r < 0 && length == 0 ? r : (ssize_t)length;
}

/* poll: who is asked for more when there is nothing; or NULL */
static void read_file(struct ly_file *f, const char *amounts, struct writer *poll)
{
    ssize_t n;
    const char *at = amounts, *again = at;
    while ((n = operate(f, &at)) > 0 || (n == -EAGAIN && poll)) {
        if (n > 0)
            put_hex(out, (size_t)n);
        else
            send_chunk(poll);
        at = n < 0 ? again : *at ? at : amounts;
        again = at;
    }
    if (n < 0)
        printf("!%s ", ly_error_name((int)n));
    if (n == LY_EDECODE && (n = ly_file_read(f, out, sizeof out, LY_FILE_ALL)) > 0)
        put_hex(out, (size_t)n);
    printf("\n");
}

static void read_case(struct ly_sock *own, struct ly_sock *peer, const struct ly_file_options *o, char *rest)
{
    struct ly_file *f;
    struct ly_scope *scope;
    char *amounts = strtok_r(rest, " ", &rest);
    need(ly_makefile(&f, own, o->encoding ? "r" : "rb", o));
    need(ly_scope_open(&scope, NULL));
    need(ly_go(scope, send_chunks, &(struct writer){peer, rest}));
    read_file(f, amounts, NULL);
    need(ly_scope_join(scope));
    ly_scope_close(scope);
    need(ly_file_close(f));
}

static void poll_case(struct ly_sock *own, struct ly_sock *peer, const struct ly_file_options *o, char *rest)
{
    struct ly_file *f;
    char *amounts = strtok_r(rest, " ", &rest);
    need(ly_sock_set_timeout(own, 0));
    need(ly_makefile(&f, own, o->encoding ? "r" : "rb", o));
    read_file(f, amounts, &(struct writer){peer, rest});
    need(ly_file_close(f));
}

static void write_case(struct ly_sock *own, struct ly_sock *peer, const struct ly_file_options *o, char *rest)
{
    struct ly_file *f;
    char *word;
    int error = 0;
    ssize_t n;
    need(ly_makefile(&f, own, o->encoding ? "w" : "wb", o));
    while ((word = strtok_r(rest, " \n", &rest))) {
        size_t length = unhex(word);
        ssize_t r = ly_file_write(f, word, length);
        if (r < 0 && error == 0)
            error = (int)r;
    }
    need(ly_file_close(f));
    need(ly_shutdown(own, SHUT_WR));
    for (size_t got = 0;; got += (size_t)n)
        if ((n = ly_recv(peer, out + got, sizeof out - got)) <= 0) {
            put_hex(out, got);
            break;
        }
    if (error)
        printf("!%s", ly_error_name(error));
    printf("\n");
}

static void run_case(char *line)
{
    static const char *const errors[] = {"strict", "replace", "ignore"};
    struct ly_sock *own, *peer;
    struct ly_file_options o = {0};
    char *rest = line, *what = strtok_r(rest, " ", &rest), *encoding = strtok_r(rest, " ", &rest);
    char *handling = strtok_r(rest, " ", &rest), *newline = strtok_r(rest, " ", &rest);
    bool binary = strcmp(encoding, "binary") == 0;
    o.encoding = binary ? NULL : encoding;
    while (!binary && o.errors < LY_TEXT_IGNORE && strcmp(errors[o.errors], handling) != 0)
        o.errors++;
    if (!binary && strcmp(newline, "none") != 0) {
        unhex(newline);
        o.newline = newline;
    }
    o.buffering = strtoul(strtok_r(rest, " ", &rest), NULL, 10);
    need(ly_socketpair(&own, &peer));
    (*what == 'r' ? read_case : *what == 'p' ? poll_case : write_case)(own, peer, &o, rest);
    ly_sock_free(own);
    ly_sock_free(peer);
}

static int run_all(void *arg)
{
    char *line = NULL;
    size_t room = 0;
    (void)arg;
    while (getline(&line, &room, stdin) > 0) {
        run_case(line);
        fflush(stdout);
    }
    free(line);
    return 0;
}

int main(void)
{
    int r = ly_run(run_all, NULL, NULL);
    if (r < 0)
        die(ly_error_name(r));
    return 0;
}
