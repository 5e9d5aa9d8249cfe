/* SPDX-License-Identifier: MIT */
#include "server/server.h"

static const struct ly__policy *const policies[] = {
    [LY_FIBERS] = &ly__fibers_policy,
    [LY_SEQUENTIAL] = &ly__sequential_policy,
    [LY_FORKING] = &ly__forking_policy,
    [LY_THREADING] = &ly__threading_policy,
};

const struct ly__policy *ly__policy_of(enum ly_policy policy)
{
    size_t i = (size_t)policy;
    return i < sizeof policies / sizeof *policies ? policies[i] : NULL;
}
