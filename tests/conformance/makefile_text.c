/* SPDX-License-Identifier: MIT */
/* Part I: text over sockets, its encodings and its lines. */
#include "places.h"

#define OPEN(file, mode, ...) \
    NEED(ly_makefile(&(file), p->a, mode, &(struct ly_file_options){__VA_ARGS__}) == 0)
#define SAY(text) NEED(ly_sendall(p->b, text, sizeof(text) - 1) == 0)
#define HEAR(text)                                            \
    do {                                                      \
        char heard_[64] = "";                                 \
        NEED(ly_recvall(p->b, heard_, sizeof(text) - 1) > 0); \
        NEED(memcmp(heard_, text, sizeof(text) - 1) == 0);    \
    } while (0)
#define GAVE(result, text) \
    NEED((result) == (ssize_t)sizeof(text) - 1 && memcmp(buf, text, sizeof(text) - 1) == 0)
#define LINE() ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL)
#define READ(n) ly_file_read(f, buf, sizeof buf, n)
#define WRITE(text) NEED(ly_file_write(f, text, sizeof(text) - 1) == sizeof(text) - 1)

#define NI "\xe4\xbd\xa0" /* two characters in UTF-8, in GBK and, with a mark before them, in UTF-16 */
#define HAO "\xe5\xa5\xbd"
#define GBK_NI "\xc4\xe3"
#define GBK_HAO "\xba\xc3"
#define REPLACEMENT "\xef\xbf\xbd"

ROW(C121_a_write_keeps_the_text_that_was_read_ahead, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, "rw", .encoding = NULL);
    SAY("0123456789ABC\nnext\n");
    GAVE(READ(10), "0123456789");
    WRITE("answer\n");
    NEED(ly_file_flush(f) == 0);
    HEAR("answer\n");
    GAVE(LINE(), "ABC\n");
    WRITE("more\n");
    GAVE(LINE(), "next\n");
    NEED(ly_file_close(f) == 0);
    HEAR("more\n");
    return 0;
}

/* Each cut of the text, into two packets: the second one is sent when the first was waited for in vain. */
static int read_cut_anywhere(struct place *p, const char *encoding, const char *raw, size_t n,
                             const char *text)
{
    char buf[64];
    for (size_t cut = 0; cut <= n; cut++) {
        struct ly_file *f;
        OPEN(f, "r", .encoding = encoding);
        ly_sock_set_timeout(p->a, 0);
        size_t done = 0;
        ssize_t r;
        NEED(ly_sendall(p->b, raw, cut) == 0);
        while ((r = ly_file_read(f, buf + done, sizeof buf - done, 1)) > 0)
            done += (size_t)r;
        NEED(r == -EAGAIN && memcmp(buf, text, done) == 0);
        NEED(ly_sendall(p->b, raw + cut, n - cut) == 0);
        ly_sock_set_timeout(p->a, LY_FOREVER);
        while (done < strlen(text)) {
            r = ly_file_read(f, buf + done, sizeof buf - done, 1);
            NEED(r > 0);
            done += (size_t)r;
        }
        NEED(done == strlen(text) && memcmp(buf, text, done) == 0);
        NEED(ly_file_close(f) == 0);
    }
    return 0;
}

ROW(C122_S122_a_character_may_be_cut_by_the_end_of_a_packet, BOTH)
{
    static const char utf8[] = "a" NI "\xf0\x9f\x98\x80" HAO "b", gbk[] = "a" GBK_NI GBK_HAO "b";
    static const char utf16[] = "\xff\xfe\x60\x4f\x3d\xd8\x00\xde";
    NEED(read_cut_anywhere(p, NULL, utf8, sizeof utf8 - 1, utf8) == 0);
    NEED(read_cut_anywhere(p, "gbk", gbk, sizeof gbk - 1, "a" NI HAO "b") == 0);
    NEED(read_cut_anywhere(p, "utf-16", utf16, sizeof utf16 - 1, NI "\xf0\x9f\x98\x80") == 0);
    return 0;
}

ROW(S16_C122_read_waits_for_characters_not_bytes, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, "rw", .encoding = NULL);
    SAY(NI HAO NI HAO NI HAO NI HAO "89ABC");
    GAVE(READ(10), NI HAO NI HAO NI HAO NI HAO "89");
    WRITE("reply");
    NEED(ly_file_flush(f) == 0);
    HEAR("reply");
    ly_shutdown(p->b, SHUT_WR);
    GAVE(READ(10), "ABC"); /* the end comes before ten are there */
    NEED(READ(10) == 0);
    return ly_file_close(f);
}

ROW(C122_S16_every_kind_of_line_end_is_read_as_one, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, "rw", .encoding = NULL);
    SAY("a\r\nb\rc\nd\r");
    GAVE(LINE(), "a\n");
    GAVE(LINE(), "b\n");
    GAVE(LINE(), "c\n");
    GAVE(LINE(), "d\n"); /* does not wait for what may follow */
    SAY("\ne\r\r\n\n");
    GAVE(LINE(), "e\n");
    GAVE(LINE(), "\n");
    GAVE(LINE(), "\n");
    WRITE("x\ny\r\n");
    NEED(ly_file_close(f) == 0);
    HEAR("x\ny\r\n");
    return 0;
}

ROW(C122_S50_with_newline_empty_lines_end_anywhere_and_nothing_changes, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, "rw", .newline = "");
    SAY("a\r\nb\rc\nd\r");
    GAVE(LINE(), "a\r\n");
    GAVE(LINE(), "b\r");
    GAVE(LINE(), "c\n");
    ly_sock_set_timeout(p->a, 0);
    NEED(LINE() == -EAGAIN); /* "\n" may follow */
    ly_sock_set_timeout(p->a, LY_FOREVER);
    SAY("\ne\r");
    GAVE(LINE(), "d\r\n");
    ly_shutdown(p->b, SHUT_WR);
    GAVE(LINE(), "e\r");
    NEED(LINE() == 0);
    WRITE("x\ny\r\n");
    NEED(ly_file_close(f) == 0);
    HEAR("x\ny\r\n");
    return 0;
}

ROW(S50_C122_a_newline_of_ones_own_ends_lines_and_is_written, BOTH)
{
    static const struct {
        const char *newline, *lines[3], *written;
    } cases[] = {
        {"\n", {"a\r\n", "b\rc\n", "d\r"}, "x\ny"},
        {"\r", {"a\r", "\nb\r", "c\nd\r"}, "x\ry"},
        {"\r\n", {"a\r\n", "b\rc\nd\r"}, "x\r\ny"},
    };
    struct ly_file *f;
    NEED(ly_makefile(&f, p->a, "r", &(struct ly_file_options){.newline = "\n\r"}) == -EINVAL);
    NEED(ly_makefile(&f, p->a, "rb", &(struct ly_file_options){.newline = "\n"}) == -EINVAL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char buf[64] = "", heard[8] = "";
        struct ly_sock *own, *peer;
        NEED(ly_socketpair(&own, &peer) == 0);
        NEED(ly_makefile(&f, own, "rw", &(struct ly_file_options){.newline = cases[i].newline}) == 0);
        NEED(ly_sendall(peer, "a\r\nb\rc\nd\r", 9) == 0 && ly_shutdown(peer, SHUT_WR) == 0);
        for (int k = 0; k < 3 && cases[i].lines[k]; k++) {
            ssize_t n = LINE();
            NEED(n == (ssize_t)strlen(cases[i].lines[k]) && memcmp(buf, cases[i].lines[k], (size_t)n) == 0);
        }
        NEED(LINE() == 0);
        WRITE("x\ny");
        NEED(ly_file_close(f) == 0);
        NEED(ly_recv(peer, heard, sizeof heard) > 0 && strcmp(heard, cases[i].written) == 0);
        ly_sock_free(own);
        ly_sock_free(peer);
    }
    return 0;
}

ROW(S24_S122_text_is_read_and_written_in_the_encoding_of_choice, BOTH)
{
    static const struct {
        const char *encoding, *raw;
        size_t n;
    } cases[] = {
        {"gbk", GBK_NI GBK_HAO "\n", 5},
        {"GB18030", GBK_NI GBK_HAO "\n", 5},
        {"utf-8", NI HAO "\n", 7},
        {"UTF8", NI HAO "\n", 7},
        {"big5", "\xa7\x41\xa6\x6e\n", 5},
        {"utf-16-le", "\x60\x4f\x7d\x59\n\0", 6},
        {"utf_16_be", "\x4f\x60\x59\x7d\0\n", 6},
    };
    struct ly_file *f;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char buf[64];
        OPEN(f, "rw", .encoding = cases[i].encoding);
        NEED(ly_sendall(p->b, cases[i].raw, cases[i].n) == 0);
        GAVE(LINE(), NI HAO "\n");
        WRITE(NI HAO "\n");
        NEED(ly_file_close(f) == 0);
        NEED(ly_recvall(p->b, buf, cases[i].n) > 0 && memcmp(buf, cases[i].raw, cases[i].n) == 0);
    }
    NEED(ly_makefile(&f, p->a, "r", &(struct ly_file_options){.encoding = "no-such"}) == LY_EENCODING);
    NEED(ly_makefile(&f, p->a, "r", &(struct ly_file_options){.encoding = "gbk//IGNORE"}) == LY_EENCODING);
    NEED(ly_makefile(&f, p->a, "r", &(struct ly_file_options){.encoding = "../../x"}) == LY_EENCODING);
    return 0;
}

ROW(S24_commands_in_ascii_are_the_same_in_either_encoding, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, "rw", .encoding = "gbk");
    SAY("dir /w\r\n");
    GAVE(LINE(), "dir /w\n");
    WRITE("ok\n");
    NEED(ly_file_close(f) == 0);
    HEAR("ok\n");
    return 0;
}

ROW(S24_S122_what_does_not_decode_is_an_error_of_that_file_only, BOTH)
{
    char buf[64];
    struct ly_file *f, *other;
    OPEN(f, "rw", .encoding = NULL);
    SAY("good\nba\xff"
        "d\n");
    GAVE(LINE(), "good\n");
    NEED(LINE() == LY_EDECODE && LINE() == LY_EDECODE);
    GAVE(READ(10), "ba"); /* what is before it can be had */
    NEED(READ(1) == LY_EDECODE);
    WRITE("still writing\n");
    NEED(ly_file_flush(f) == 0);
    HEAR("still writing\n");
    NEED(ly_makefile(&other, p->a, "r", NULL) == 0);
    SAY("fine\n");
    NEED(ly_file_readline(other, buf, sizeof buf, LY_FILE_ALL) == 5);
    ly_file_close(other);
    return ly_file_close(f);
}

ROW(S122_a_character_cut_by_the_end_is_an_error, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, "r", .encoding = NULL);
    SAY("ab\xe4\xbd");
    ly_shutdown(p->b, SHUT_WR);
    GAVE(READ(10), "ab");
    NEED(READ(10) == LY_EDECODE && READ(10) == LY_EDECODE);
    return ly_file_close(f);
}

ROW(S50_S122_malformed_text_is_replaced_or_left_out_as_asked, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, "rw", .errors = LY_TEXT_REPLACE);
    SAY("a\xff"
        "b\xe4\xbd"
        "c\n");
    GAVE(LINE(), "a" REPLACEMENT "b" REPLACEMENT "c\n");
    WRITE("p\xff"
          "q");
    NEED(ly_file_close(f) == 0);
    HEAR("p?q");
    OPEN(f, "rw", .errors = LY_TEXT_IGNORE, .encoding = "gbk");
    SAY("a\xff" GBK_NI "\n");
    GAVE(LINE(), "a" NI "\n");
    WRITE("p\xf0\x9f\x98\x80q");
    NEED(ly_file_close(f) == 0);
    HEAR("pq");
    return 0;
}

ROW(S50_S122_what_the_encoding_lacks_is_an_error_unless_replaced, BOTH)
{
    struct ly_file *f;
    OPEN(f, "w", .encoding = "latin-1");
    NEED(ly_file_write(f, "caf\xc3\xa9 " NI, 9) == LY_EENCODE);
    NEED(ly_file_write(f, "\xff", 1) == LY_EENCODE);
    WRITE("!");
    NEED(ly_file_close(f) == 0);
    HEAR("caf\xe9 !");
    OPEN(f, "w", .encoding = "latin-1", .errors = LY_TEXT_REPLACE);
    WRITE("a" NI "b");
    NEED(ly_file_close(f) == 0);
    HEAR("a?b");
    return 0;
}

ROW(S50_C122_a_mark_of_the_byte_order_is_written_once, BOTH)
{
    struct ly_file *f;
    OPEN(f, "w", .encoding = "utf-16");
    WRITE("a");
    NEED(ly_file_flush(f) == 0);
    WRITE("b");
    NEED(ly_file_close(f) == 0);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    HEAR("\xff\xfe"
         "a\0b\0");
#else
    HEAR("\xfe\xff\0a\0b");
#endif
    return 0;
}

ROW(C114_C122_limits_count_characters_and_cut_none, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, "r", .encoding = NULL);
    SAY(NI HAO NI "\n" NI HAO "\n");
    GAVE(ly_file_readline(f, buf, sizeof buf, 2), NI HAO);
    GAVE(ly_file_readline(f, buf, 64, 2), NI "\n");
    GAVE(ly_file_readline(f, buf, 5, LY_FILE_ALL), NI); /* the second one does not fit */
    NEED(ly_file_readline(f, buf, 2, LY_FILE_ALL) == LY_ETOOBIG && ly_file_read(f, buf, 2, 1) == LY_ETOOBIG);
    GAVE(ly_file_read(f, buf, 4, 2), HAO "\n");
    return ly_file_close(f);
}

PLACES_MAIN(RUN(C121_a_write_keeps_the_text_that_was_read_ahead),
            RUN(C122_S122_a_character_may_be_cut_by_the_end_of_a_packet),
            RUN(S16_C122_read_waits_for_characters_not_bytes),
            RUN(C122_S16_every_kind_of_line_end_is_read_as_one),
            RUN(C122_S50_with_newline_empty_lines_end_anywhere_and_nothing_changes),
            RUN(S50_C122_a_newline_of_ones_own_ends_lines_and_is_written),
            RUN(S24_S122_text_is_read_and_written_in_the_encoding_of_choice),
            RUN(S24_commands_in_ascii_are_the_same_in_either_encoding),
            RUN(S24_S122_what_does_not_decode_is_an_error_of_that_file_only),
            RUN(S122_a_character_cut_by_the_end_is_an_error),
            RUN(S50_S122_malformed_text_is_replaced_or_left_out_as_asked),
            RUN(S50_S122_what_the_encoding_lacks_is_an_error_unless_replaced),
            RUN(S50_C122_a_mark_of_the_byte_order_is_written_once),
            RUN(C114_C122_limits_count_characters_and_cut_none))
