/* SPDX-License-Identifier: MIT */
/*
 * The settings of a server: one table from which the options of the command line, the variables of the
 * environment (LANYARD_SERVE_..., in capitals, with '_' for '-') and the keys of lanyard.conf are made.
 */
#ifndef LY_DAEMON_CONFIG_KEYS_H
#define LY_DAEMON_CONFIG_KEYS_H

#include "daemon/serve.h"

#define LY__CONFIG_VARIABLE "LANYARD_SERVE_"

enum ly__config_id {
    LY__CONFIG_LISTEN,
    LY__CONFIG_INSECURE_LOOPBACK,
    LY__CONFIG_ROOT,
    LY__CONFIG_WORKERS,
    LY__CONFIG_REACTOR,
    LY__CONFIG_MAX_COMMANDS,
    LY__CONFIG_MAX_STARTUPS,
    LY__CONFIG_LOGIN_TIME,
    LY__CONFIG_EXEMPT,
    LY__CONFIG_AUDIT,
    LY__CONFIG_LOG_LEVEL,
    LY__CONFIG_LOG_FORMAT,
    LY__CONFIG_LOG_FILE,
    LY__CONFIG_KEYS
};

struct ly__config_key {
    const char *name; /* of the key and the long option */
    int letter;       /* the short option; 0: none */
    const char
        *argument;   /* the value's name in help texts; NULL: yes or no, as an option it may be left out */
    int group;       /* of options in help texts */
    const char *doc; /* for help texts */
    const char *expected; /* completes "it is ..." in messages */
    const char *fallback; /* the value that counts where none is set; NULL: it depends, see doc */
    unsigned most;        /* values it may have; 1: it can be set once */
    bool reloads;         /* a running server takes another value at SIGHUP */
    /* Set what the text says. Returns 0 or LY_EFIELD; o may have been changed then. */
    int (*set)(struct ly__serve_options *o, const char *text);
    /* More that a value in a file or the environment has to be; NULL: nothing. */
    bool (*fits)(const char *text);
};

extern const struct ly__config_key ly__config_keys[LY__CONFIG_KEYS];

/* The key of a name of n bytes; LY__CONFIG_KEYS: there is none. */
size_t ly__config_find(const char *name, size_t n);

#endif
