/* SPDX-License-Identifier: MIT */
/* What requests.c and transfers.c share. */
#ifndef LY_SERVICE_FILES_H
#define LY_SERVICE_FILES_H

#include "service/service.h"

/* The rows of transfers.c. */
int ly__files_get(struct ly__session *s, const struct ly_frame *f);
int ly__files_put(struct ly__session *s, const struct ly_frame *f);
int ly__files_partial(struct ly__session *s, const struct ly_frame *f);

/* Make the directories that are missing above a clean path. Blocks. Returns 0 or an error. */
int ly__make_parents(int root, const char *path);

#endif
