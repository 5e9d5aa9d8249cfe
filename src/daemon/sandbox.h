/* SPDX-License-Identifier: MIT */
/*
 * What a process that parses the network's bytes gives up before it reads the first of them: files outside
 * one directory (Landlock), and system calls that such a process has no use for (seccomp). Neither can be
 * taken back, by nobody in the process. Source: landlock(7), seccomp(2).
 */
#ifndef LY_DAEMON_SANDBOX_H
#define LY_DAEMON_SANDBOX_H

#define LY__SANDBOX_FILES 1   /* no file outside the directory */
#define LY__SANDBOX_CALLS 2   /* no program, no new socket, no foreign process: an attempt ends the process */
#define LY__SANDBOX_NETWORK 4 /* no bind or connect, by Landlock as well; from Linux 6.7 */
#define LY__SANDBOX_SCOPE 8   /* no signal and no abstract socket beyond the process; from Linux 6.12 */

/*
 * Confine the calling process, which has one thread, for good.
 *
 * root_fd  the directory below which files may be read, written, made and removed, but not run; -1: none
 *
 * Returns which of the parts above the kernel keeps, or an error with which nothing more should be done than
 * to end: -ENOMEM, -EBUSY (there are other threads), -EPERM, ...
 */
int ly__sandbox_enter(int root_fd);

/* The two halves; ly__sandbox_enter is what to call. Return parts or an error. */
int ly__sandbox_confine_files(int root_fd);
int ly__sandbox_confine_calls(void);

#endif
