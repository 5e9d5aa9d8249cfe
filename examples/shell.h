/* SPDX-License-Identifier: MIT */
/* What subprocess.Popen(cmd, shell=True) is to the tutorials' remote shells. Built with shell.c beside it. */
#ifndef SHELL_H
#define SHELL_H

#include <lanyard/lanyard.h>

#define SHELL_OUTPUT_MAX ((size_t)256 << 20) /* most bytes of output that are kept */

/*
 * Run a command of n bytes by /bin/sh to its end, with nothing to read. Its output is appended to out, its
 * errors to err, or both, as they come, to out where err is NULL.
 *
 * Returns 0, whatever the command's status; -EINVAL (a zero byte in the command), LY_ETOOBIG (more output
 * than SHELL_OUTPUT_MAX), -ENOMEM, -ECANCELED, or an error of ly_process_spawn. Suspends.
 */
int shell_run(const char *command, size_t n, struct ly_buffer *out, struct ly_buffer *err);

/*
 * What subprocess.getoutput gives: output and errors as they come, without the last line end, into out, which
 * is cleared first. encoding: what the command is text in, such as "GBK"; NULL: the shell gets the bytes.
 * A command that is no text in it is answered by a line that says so.
 *
 * Returns how many bytes of out count, or an error of shell_run; -EINVAL also where there is no such
 * encoding. Suspends.
 */
ssize_t shell_getoutput(const char *command, size_t n, const char *encoding, struct ly_buffer *out);

#endif
