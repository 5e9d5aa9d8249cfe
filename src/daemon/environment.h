/* SPDX-License-Identifier: MIT */
/* The environment that commands start with: of the server's own only what a login would have. */
#ifndef LY_DAEMON_ENVIRONMENT_H
#define LY_DAEMON_ENVIRONMENT_H

#define LY__ENVIRONMENT_MAX 8

struct ly__environment {
    const char *list[LY__ENVIRONMENT_MAX + 1]; /* "NAME=value", ended by NULL */
    const char *home;                          /* the HOME among them */
    char *memory[LY__ENVIRONMENT_MAX];         /* the strings */
};

/* Fill it from the process's environment and, where that says nothing, from the user database. Returns 0 or
 * -ENOMEM. ly__environment_done is due either way. */
int ly__environment_init(struct ly__environment *e);
void ly__environment_done(struct ly__environment *e);

#endif
