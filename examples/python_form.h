/* SPDX-License-Identifier: MIT */
/*
 * What the tutorials' programs share: values printed as Python prints them, prompts, and [host] [port] from
 * the command line.
 *
 * A program that includes this is built with python_form.c beside it. Texts returned live until the same
 * thread's next call of the same function.
 */
#ifndef PYTHON_FORM_H
#define PYTHON_FORM_H

#include <lanyard/lanyard.h>
#include <stdio.h>

#define PY_BYTES_MAX 4096 /* most bytes that py_bytes and py_text show */

/* ---- forms ---- */

/* b'...', with Python's rules for quotes and escapes. */
const char *py_bytes(const void *bytes, size_t n);

/* The bytes as text. What is not UTF-8, and control characters other than tab and line end, become \xNN, so
 * that no peer writes to the terminal what it likes. */
const char *py_text(const void *bytes, size_t n);

/* {'cmd': 'get', 'filename': 'a.txt'}: a JSON object as the dictionary that json.loads makes of it, as far as
 * it has strings, whole numbers, truth values and null; others, and what is longer than PY_BYTES_MAX, stay as
 * they are. */
const char *py_dict(struct ly_json object);

/* ('127.0.0.1', 50000); '' for a Unix client without a name. */
const char *py_tuple(const struct ly_address *address);

/* <socket.socket fd=3, family=2, type=1, proto=0, laddr=('0.0.0.0', 0)> */
const char *py_socket(const struct ly_sock *sock);

/* printf, and out with it. */
void py_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- standard input ---- */

/* Show the prompt and read a line, without its end. NULL at the end of input. */
char *py_input(const char *prompt);

/* Without blanks at both ends; changes the line. */
char *py_strip(char *line);

/* ---- the command line ---- */

/* Argument i, or what counts without it. */
const char *py_argument(int argc, char **argv, int i, const char *fallback);

/* The same as a number from 0 on; ends the program with a word about it where it is none. */
double py_number(int argc, char **argv, int i, double fallback);

/* The address of [host] [port]: the first two arguments put into a text such as "tcp://127.0.0.1:8080". */
void py_address(char text[LY_ADDRESS_TEXT], int argc, char **argv, const char *fallback);

/* Listen, or connect, there. Listening says where on standard error. Return 0 or an error. */
int py_listen(struct ly_sock **ret_sock, int argc, char **argv, const char *fallback);
int py_connect(struct ly_sock **ret_sock, int argc, char **argv, const char *fallback);

/* Open a server there, say where it listens, and serve until SIGINT or SIGTERM. options->address is set here,
 * and a verify_request, if there is none, that drops datagrams in the server's own name. Returns the exit
 * status. */
int py_serve(int argc, char **argv, const char *fallback, struct ly_server_options *options);

/* The exit status for a result: 0, or 1 after a word about the error. */
int py_end(ssize_t result);

#endif
