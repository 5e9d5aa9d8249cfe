/* SPDX-License-Identifier: MIT */
/*
 * Landlock. A ruleset names the rights that it handles, all of which are gone but where a rule gives them
 * back. A kernel knows the rights of its time only, so the set is cut to its version; the constants that are
 * newer than the system's header are written out here.
 */
#include "daemon/sandbox.h"
#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FS_TRUNCATE (1ULL << 14)  /* version 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* version 5 */
#define NET_BIND_TCP (1ULL << 0)  /* version 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* version 6 */
#define SCOPE_SIGNAL (1ULL << 1)

/* As of version 6; older kernels want the rest to be 0. */
struct ruleset {
    uint64_t fs, net, scoped;
};

#define FS_VERSION_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* What a rule gives back below the directory. */
#define FS_SERVED                                                                                   \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |   \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)

static struct ruleset ruleset_of(long version)
{
    struct ruleset r = {.fs = FS_VERSION_1};
    if (version >= 2)
        r.fs |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        r.fs |= FS_TRUNCATE;
    if (version >= 4)
        r.net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (version >= 5)
        r.fs |= FS_IOCTL_DEV;
    if (version >= 6)
        r.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    return r;
}

static int allow_below(int set, int root_fd, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = root_fd};
    return syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

int ly__sandbox_confine_files(int root_fd)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
    struct ruleset rules = ruleset_of(version);
    size_t size = version >= 6 ? sizeof rules : version >= 4 ? 2 * sizeof rules.fs : sizeof rules.fs;
    int set = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (set < 0)
        return -errno;
    int r = root_fd >= 0 ? allow_below(set, root_fd, FS_SERVED & rules.fs) : 0;
    if (r == 0)
        r = syscall(SYS_landlock_restrict_self, set, 0) < 0 ? -errno : 0;
    close(set);
    if (r < 0)
        return r;
    return LY__SANDBOX_FILES | (rules.net ? LY__SANDBOX_NETWORK : 0) | (rules.scoped ? LY__SANDBOX_SCOPE : 0);
}
