/* SPDX-License-Identifier: MIT */
#include "service/files/spot.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct identity {
    char boot[36]; /* a UUID's text */
    uint64_t device, inode;
};

/* Inodes mean something on this system only, and as long as it runs. */
static bool read_boot(char out[36])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, out, 36);
    close(fd);
    return n == 36;
}

void ly__spot_identity(dev_t device, ino_t inode, char out[LY__HASH_TEXT])
{
    struct identity id;
    memset(&id, 0, sizeof id);
    id.device = device;
    id.inode = inode;
    out[0] = '\0';
    if (read_boot(id.boot))
        ly__hash_once(&id, sizeof id, out);
}

void ly__spot_at(struct ly__spot *ret, int dir, const char *name)
{
    struct stat st;
    size_t n = strlen(name);
    ret->directory[0] = '\0';
    if (n >= sizeof ret->name || fstat(dir, &st) < 0)
        return;
    memcpy(ret->name, name, n + 1);
    ly__spot_identity(st.st_dev, st.st_ino, ret->directory);
}

bool ly__spot_is(const struct ly__spot *spot, dev_t device, ino_t inode, const char *name)
{
    char identity[LY__HASH_TEXT];
    if (!spot->directory[0] || strcmp(spot->name, name) != 0)
        return false;
    ly__spot_identity(device, inode, identity);
    return strcmp(identity, spot->directory) == 0;
}
