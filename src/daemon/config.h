/* SPDX-License-Identifier: MIT */
/*
 * Where each setting of a server comes from: the command line, else the environment, else lanyard.conf, else
 * what the table of keys (config_keys.h) has. A setting of several values has those of one place.
 *
 * Values are checked when they are taken, so applying them cannot fail.
 */
#ifndef LY_DAEMON_CONFIG_H
#define LY_DAEMON_CONFIG_H

#include "daemon/config_keys.h"
#include <limits.h>

#define LY__CONFIG_FILE "lanyard.conf"
#define LY__CONFIG_FILE_MAX 65536 /* bytes */
#define LY__CONFIG_VALUES 64      /* no key has more */

enum ly__config_origin { LY__FROM_DEFAULT, LY__FROM_FILE, LY__FROM_ENVIRONMENT, LY__FROM_OPTION };

struct ly__config_value {
    enum ly__config_origin from;
    unsigned n; /* 0: not set */
    const char *texts[LY__CONFIG_VALUES];
    unsigned lines[LY__CONFIG_VALUES]; /* of the file, where it is from there */
};

struct ly__config {
    const char *named;   /* the file that is to be read; borrowed; NULL: the usual one, if it is there */
    char path[PATH_MAX]; /* the file that is meant */
    bool has_file;       /* it is there */
    char *text;          /* its text, cut into values */
    char *environment;   /* values of variables, in the same way */
    struct ly__config_value values[LY__CONFIG_KEYS];
};

/* Told of each mistake: where ("FILE:3" or a variable's name) and what, fit for a terminal. */
struct ly__config_sink {
    void (*tell)(void *arg, const char *where, const char *what);
    void *arg;
};

/*
 * Take a value from the command line; borrowed. A later one replaces an earlier one, where there can be one
 * only. Returns 0, LY_EFIELD (not what is expected) or LY_ETOOBIG (too many).
 */
int ly__config_give(struct ly__config *c, size_t key, const char *text);

/*
 * Read the environment and the file into c. of: where values of the command line and the file's name were
 * given to; may be c. Mistakes are told, all of them. Returns 0, LY_EFIELD (there were some) or an error of
 * reading, which is told too; c is to be freed in each case.
 */
int ly__config_load(struct ly__config *c, const struct ly__config *of, const struct ly__config_sink *sink);
void ly__config_done(struct ly__config *c);

/* The file only, as ly__config_load; c is zero but for c->named. */
int ly__config_read(struct ly__config *c, const struct ly__config_sink *sink);

/* The n bytes at text, which are followed by a zero byte and are changed, as a file of name c->path. */
int ly__config_parse(struct ly__config *c, char *text, size_t n, const struct ly__config_sink *sink);

/* Set all that c has, and the defaults of what it has not. What o points to is c's. */
void ly__config_apply(const struct ly__config *c, struct ly__serve_options *o);

bool ly__config_same(const struct ly__config *a, const struct ly__config *b, size_t key);

#endif
