/* SPDX-License-Identifier: MIT */
/* A server's whole life, from its options to its end. */
#ifndef LY_DAEMON_SERVE_H
#define LY_DAEMON_SERVE_H

#include "auth/admission.h"
#include <lanyard/log.h>
#include <stdbool.h>
#include <stddef.h>

#define LY__LISTEN_MAX 16
#define LY__SERVE_EXEMPTS 64

struct ly__serve_options {
    const char *listen[LY__LISTEN_MAX]; /* addresses */
    size_t listens;                     /* how many; 0: the default one */
    bool insecure_loopback; /* TCP on loopback is wanted, though anyone on this machine can use it */
    const char *root;       /* the directory to serve; NULL: the user's home */
    int workers;            /* loops for each address; 0: 1 */
    const char *reactor;    /* see struct ly_run_options; NULL: the default */
    struct ly_log_options log;
    const char *log_file;  /* lines go there instead, opened anew at SIGHUP; NULL: standard error */
    unsigned commands_max; /* commands at once */
    /* of the network's addresses (tls://) */
    struct ly__admission_options gate;
    struct ly__exempt exempts[LY__SERVE_EXEMPTS]; /* who is never penalised */
    unsigned nexempts;
    enum ly__audit_choice { LY__AUDIT_IS_TRIED, LY__AUDIT_IS_NEEDED, LY__AUDIT_IS_OFF } audit;
};

struct ly__config;

/* Serve until a signal ends it. Failures are said on standard error. Returns the exit status. */
int ly__serve(const struct ly__config *config);

#endif
