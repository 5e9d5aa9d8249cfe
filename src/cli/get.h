/* SPDX-License-Identifier: MIT */
/* What the files of lanyard get share: get.c asks for sources, get_tree.c for what is missing of a tree. */
#ifndef LY_CLI_GET_H
#define LY_CLI_GET_H

#include "cli/local.h"
#include "cli/request.h"
#include "cli/transfer.h"
#include "service/files/transfer.h"

#define LY__GET_AHEAD 64 /* requests sent before the first of them is answered */

/* And their bytes, but for the last one: what sockets hold for sure. Who answers does not read meanwhile, and
 * we do not read while we ask. */
#define LY__GET_AHEAD_BYTES (32u << 10)

struct ly__get {
    struct ly__transfer_arguments arguments;
    struct ly__target target;
    bool into; /* the destination is a directory */
    struct ly__progress *progress;
    struct ly__transfer_counts counts; /* of all requests */
    size_t ahead;                      /* bytes of requests since the last answer */
    struct ly__spot spot;              /* where the source in hand goes */
};

/* Whether another request may be sent behind n that wait for their answers. */
static inline bool ly__get_may_ask(const struct ly__get *g, int n)
{
    return n < LY__GET_AHEAD && (n == 0 || g->ahead < LY__GET_AHEAD_BYTES);
}

/* Ask for a path there, to be received as l: what an earlier transfer left of it is told. Returns 0 or an
 * error (not said). */
int ly__get_ask(struct ly__get *g, const char *path, const struct ly__local *l);

/* Receive the answer to the request with this id. Returns 0, or an error that was said: the connection is of
 * no use any more. */
int ly__get_receive(struct ly__get *g, const char *path, const struct ly__local *l, int64_t id);

/* Note and say that something failed. path: there. */
void ly__get_failed(struct ly__get *g, int error, const char *path);

/*
 * Get what is missing of the directory at path, whose entry (as stat gave it) is told, into the directory l,
 * which is there. Nothing else may be on its way. Returns 0, or an error that was said, as above.
 */
int ly__get_tree(struct ly__get *g, const char *path, struct ly_json entry, const struct ly__local *l);

#endif
