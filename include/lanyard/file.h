/* SPDX-License-Identifier: MIT */
/*
 * Files over sockets, as Python's socket.makefile gives them: buffered or not, bytes or text in an encoding,
 * read by amount and by line, written gathered.
 *
 * A text file gives and takes UTF-8; what travels is in the file's encoding. Lengths of buffers are in bytes,
 * amounts to read are in characters (of a binary file: bytes). Nothing stored is ended by a zero byte.
 *
 * What a buffered file has read ahead is seen neither by ly_recv on the socket nor by another file over it.
 * Reading and writing do not disturb each other; two tasks may use the two directions at once.
 *
 * The socket's time-out bounds each receive and each send. At time-out 0 a read that has nothing to give
 * returns -EAGAIN, which is not the end (0), and keeps what has come: call again. Any other error of the
 * socket during a read, -ETIMEDOUT among them, makes the file unreadable for good, since bytes may be lost:
 * later reads return LY_EUNREADABLE. Bytes that are not text of the encoding give LY_EDECODE from there on;
 * the text before them can be read with ly_file_read.
 */
#ifndef LANYARD_FILE_H
#define LANYARD_FILE_H

#include <lanyard/buffer.h>
#include <lanyard/error.h>
#include <lanyard/socket.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ly_file;

/* What becomes of bytes that are no text, and of characters that the encoding does not have. */
enum ly_text_errors {
    LY_TEXT_STRICT,  /* LY_EDECODE, LY_EENCODE */
    LY_TEXT_REPLACE, /* U+FFFD is read in their place; "?" is written */
    LY_TEXT_IGNORE,  /* left out */
};

struct ly_file_options {
    size_t buffering;           /* bytes read ahead, and gathered for writing, 1..2^30; 0: 8192 */
    bool unbuffered;            /* binary only: nothing is read ahead, and writes are sent at once */
    const char *encoding;       /* text: any name that iconv_open(3) knows; NULL: UTF-8 */
    enum ly_text_errors errors; /* text */
    /*
     * Text: NULL reads "\n", "\r" and "\r\n" as "\n" and writes "\n" as it is. "" ends lines at any of the
     * three and changes nothing. "\n", "\r" or "\r\n" end lines at that one only, read it as it is, and have
     * "\n" written as it.
     */
    const char *newline;
    size_t line_max; /* bytes of the longest line that ly_file_line lends; 0: 64 KiB */
};

#define LY_FILE_ALL ((size_t)-1) /* as an amount: no limit but the buffer's */

/*
 * Open a file over a connected socket, which is borrowed. Closing the socket while files are open over it is
 * put off until the last of them is closed; until then both go on working.
 *
 * mode       of the letters r, w (neither: r) and b (binary), in any order
 * options    NULL for the defaults; strings are copied
 *
 * Returns 0, -EINVAL (another mode, options that do not fit), LY_EENCODING, -EOPNOTSUPP (no stream socket),
 * -EBADF (the socket is closed), -EMFILE (63 files are open over it), -ENOMEM. Buffers are allocated at the
 * first use. Source: socket.makefile and io.TextIOWrapper of Python; iconv_open(3).
 */
LY_API int ly_makefile(struct ly_file **ret_file, struct ly_sock *sock, const char *mode,
                       const struct ly_file_options *options);

/* Flush and free; the socket is closed only if that has waited for this. NULL is accepted. Returns 0 or the
 * error of the flush, after which the file is closed all the same. Suspends. */
LY_API int ly_file_close(struct ly_file *f);

/* The socket (borrowed), its descriptor (-1: closed), and the mode ("r", "rwb", ...). */
LY_API struct ly_sock *ly_file_sock(const struct ly_file *f);
LY_API int ly_file_fileno(const struct ly_file *f);
LY_API const char *ly_file_mode(const struct ly_file *f);

/* ---- reading ---- */

/*
 * Read n characters, waiting for all of them or the end; fewer if the next one does not fit into cap bytes.
 * At time-out 0, and from an unbuffered file always, fewer too where no more are there now.
 *
 * Returns the bytes stored; 0 at the end, and where n or cap is 0. Errors: -EAGAIN (nothing is there),
 * LY_EUNREADABLE, LY_EDECODE, LY_ETOOBIG (not even one character fits), -EBADF (not opened for reading),
 * -ENOMEM, and those of ly_recv. Suspends.
 */
LY_API ssize_t ly_file_read(struct ly_file *f, void *buf, size_t cap, size_t n);

/* Read what is there, at most cap bytes, waiting only if nothing is. Otherwise as ly_file_read. Suspends. */
LY_API ssize_t ly_file_read1(struct ly_file *f, void *buf, size_t cap);

/*
 * Read a line with its end, of at most n characters and cap bytes: of a longer one the first part, and the
 * rest next time. The last line may have no end. An unbuffered file gives a part at time-out 0, too, if no
 * more is there. Returns and errors as of ly_file_read; an error loses nothing of the line. Suspends.
 */
LY_API ssize_t ly_file_readline(struct ly_file *f, void *buf, size_t cap, size_t n);

/*
 * Lend the next line: as ly_file_readline, where it lies in the file's buffer.
 * ret_line   borrowed until the next read of the file
 * Errors: also LY_ETOOBIG (the line is longer than line_max; nothing is consumed), -EINVAL (unbuffered).
 */
LY_API ssize_t ly_file_line(struct ly_file *f, const char **ret_line);

/*
 * Read through the delimiter (1..cap bytes; in text as it is after newlines were changed). Returns the bytes
 * stored, the delimiter included; at the end what is left, without one (0: nothing). Errors: also LY_ETOOBIG
 * (no delimiter in cap bytes; nothing is consumed, unless unbuffered), -EINVAL (length 0). Suspends.
 */
LY_API ssize_t ly_file_read_until(struct ly_file *f, void *buf, size_t cap, const void *delimiter,
                                  size_t length);

/* Append all up to the end to b. Returns 0; LY_ETOOBIG if there is more than b's maximum: b is full then, and
 * the rest is not consumed; or an error as of ly_file_read: b has what came before it. Suspends. */
LY_API int ly_file_readall(struct ly_file *f, struct ly_buffer *b);

/* Bytes held read ahead, decoded or not: where they are not 0, a read may not need the socket. */
LY_API size_t ly_file_buffered(const struct ly_file *f);

/* ---- writing ---- */

/*
 * Write n bytes, of a text file UTF-8 of whole characters: gathered, and sent when they do not fit into the
 * buffer. An unbuffered file sends all of them before it returns.
 *
 * Returns n. At time-out 0 what was taken may be fewer, cut between characters, and if nothing can be taken
 * it is -EAGAIN. Errors: LY_EENCODE (strict: the text is not UTF-8, of which nothing is taken then, or has a
 * character that the encoding does not have: what is before it is taken), -EBADF (not opened for writing),
 * -ENOMEM, those of ly_send; after these an unknown part has gone. Suspends.
 */
LY_API ssize_t ly_file_write(struct ly_file *f, const void *bytes, size_t n);

/* Write as printf does, at most 1 MiB. Returns and errors as of ly_file_write, LY_ETOOBIG, -EINVAL (a bad
 * format). Suspends. */
LY_API ssize_t ly_file_printf(struct ly_file *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
LY_API ssize_t ly_file_vprintf(struct ly_file *f, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Send what is gathered. Returns 0 or an error of ly_send; what did not go, at -EAGAIN for one, stays for the
 * next flush. Suspends. */
LY_API int ly_file_flush(struct ly_file *f);

#ifdef __cplusplus
}
#endif
#endif
