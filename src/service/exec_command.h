/* SPDX-License-Identifier: MIT */
/* What an exec request asks for, read and checked. */
#ifndef LY_SERVICE_EXEC_COMMAND_H
#define LY_SERVICE_EXEC_COMMAND_H

#include "service/service.h"

struct ly__command {
    const char **argv;  /* ended by NULL */
    const char **env;   /* ended by NULL */
    const char *cwd;    /* absolute or relative to the root; NULL: not given */
    bool input;         /* standard input comes from the client */
    int64_t timeout_ms; /* LY_FOREVER: none */
    char *text;         /* the strings, one behind the other */
};

/* Read a request's header. service->env joins the environment where the request does not name a variable
 * itself. Returns 0, LY_EFIELD, LY_ETOOBIG (more than 1024 arguments or variables), -ENOMEM; ly__command_done
 * is due either way. */
int ly__command_read(struct ly__command *c, struct ly_json header, const struct ly__service *service);
void ly__command_done(struct ly__command *c);

#endif
