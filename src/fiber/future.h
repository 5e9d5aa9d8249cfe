/* SPDX-License-Identifier: MIT */
#ifndef LY_FIBER_FUTURE_H
#define LY_FIBER_FUTURE_H

#include "base/list.h"
#include <lanyard/fiber.h>

/* A future among those of s; NULL without memory. */
struct ly_future *ly__future_new(struct ly_scope *s);

/* Take it out of its scope and free it. */
void ly__future_drop(struct ly_future *f);

/* Free the future that holds this member of a scope's list; the scope is going. */
void ly__future_free(struct ly__list *link);

/* The task has ended: keep its result and wake who awaits it. NULL is accepted. */
void ly__future_set(struct ly_future *f, int result);

#endif
