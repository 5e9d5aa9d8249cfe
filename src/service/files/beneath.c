/* SPDX-License-Identifier: MIT */
/*
 * Paths of strangers beneath a held directory.
 *
 * The danger is not only "../..": a directory may be swapped for a link between a check and its use, a link
 * may dangle until the moment a file is created through it, and every operation needs the same care, not only
 * open. So a path is turned once into a descriptor of the parent directory, and what follows uses one
 * component relative to it, which the system cannot misunderstand.
 *
 * The descriptor is found in one of two ways that give the same answers:
 *
 * - openat2(2) with RESOLVE_BENEATH: the kernel follows links that stay inside and refuses all others.
 * - Where that is missing: a walk that opens each component with O_NOFOLLOW from the one before. A link is
 * read and its text spliced into the path at that place; then the walk begins again at the root. ".." in a
 * link's text takes off the component before it, which by then is known to be a real directory; with none
 * left, or when the text is absolute, the link leads out. Beginning again, instead of keeping a descriptor
 * for each component, holds two descriptors however deep the path.
 *
 * ".." in a path itself is refused outright: no honest client needs it.
 */
#include "service/files/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_PATH | O_DIRECTORY | O_CLOEXEC)
#define RETRIES 8 /* of an openat2 that a rename elsewhere has disturbed (-EAGAIN) */

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_dots(const char *name, size_t n)
{
    return n == 2 && name[0] == '.' && name[1] == '.';
}

static bool is_dot(const char *name, size_t n)
{
    return n == 1 && name[0] == '.';
}

bool ly__name_allowed(const char *name, size_t n)
{
    if (n == 0 || n > LY__NAME_MAX || is_dot(name, n) || is_dots(name, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (is_control(name[i]) || name[i] == '/')
            return false;
    return true;
}

ssize_t ly__path_clean(char out[LY__PATH_MAX + 1], const char *path)
{
    size_t length = 0;

    if (path[0] == '/')
        return LY_EOUTSIDE;
    if (strnlen(path, LY__PATH_MAX + 1) > LY__PATH_MAX)
        return LY_ENAME;
    while (*path) {
        size_t n = strcspn(path, "/");
        if (is_dots(path, n))
            return LY_EOUTSIDE;
        if (n > 0 && !is_dot(path, n)) {
            if (!ly__name_allowed(path, n))
                return LY_ENAME;
            if (length > 0)
                out[length++] = '/';
            memcpy(out + length, path, n);
            length += n;
        }
        path += n;
        path += strspn(path, "/");
    }
    out[length] = '\0';
    return (ssize_t)length;
}

/* ---- the walk ---- */

struct walk {
    char done[LY__PATH_MAX + 1];     /* components passed, all real directories */
    char todo[2 * LY__PATH_MAX + 2]; /* components to come; may hold a link's ".." and "." */
    int links;                       /* followed so far */
};

static int drop_last(char *done)
{
    if (!done[0])
        return LY_EOUTSIDE;
    char *slash = strrchr(done, '/');
    *(slash ? slash : done) = '\0';
    return 0;
}

static int add_last(char *done, const char *name)
{
    size_t length = strlen(done);
    if (length + 1 + strlen(name) > LY__PATH_MAX)
        return -ENAMETOOLONG;
    if (length > 0)
        done[length++] = '/';
    memcpy(done + length, name, strlen(name) + 1);
    return 0;
}

/* Cut the first component off todo. Returns its length, 0 at the end. */
static ssize_t next_component(char *todo, char name[LY__NAME_MAX + 1])
{
    size_t skip = strspn(todo, "/");
    size_t n = strcspn(todo + skip, "/");
    if (n > LY__NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, todo + skip, n);
    name[n] = '\0';
    memmove(todo, todo + skip + n, strlen(todo + skip + n) + 1);
    return (ssize_t)n;
}

/* Put a link's text in front of what is to come. The path begins again at the root: what was passed goes in
 * front too, less what the link's ".." take off it later. */
static int splice_in(struct walk *w, const char *target)
{
    char path[2 * LY__PATH_MAX + 2];
    size_t done = strlen(w->done), text = strlen(target), rest = strlen(w->todo);

    if (target[0] == '/')
        return LY_EOUTSIDE;
    if (done + 1 + text + 1 + rest > 2 * (size_t)LY__PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(path, w->done, done);
    path[done] = '/';
    memcpy(path + done + 1, target, text);
    path[done + 1 + text] = '/';
    memcpy(path + done + 2 + text, w->todo, rest + 1);
    memcpy(w->todo, path, done + 2 + text + rest + 1);
    w->done[0] = '\0';
    return 0;
}

/* Open a component that is to be a directory. Returns the descriptor; 0 (never one) for a link, whose text is
 * then in target. */
static int step(int dir, const char *name, int flags, char target[LY__PATH_MAX + 1])
{
    int fd = openat(dir, name, OPEN_DIRECTORY | O_NOFOLLOW);
    if (fd >= 0)
        return fd;
    int error = -errno;
    if (error != -ENOTDIR && error != -ELOOP)
        return error;
    ssize_t n = readlinkat(dir, name, target, LY__PATH_MAX + 1);
    if (n < 0)
        return errno == EINVAL ? -ENOTDIR : -errno;
    if (flags & LY__BENEATH_STRICT)
        return -ELOOP;
    if (n == 0 || n > LY__PATH_MAX)
        return n == 0 ? -ENOENT : -ENAMETOOLONG;
    target[n] = '\0';
    return 0;
}

static int walk_one(struct walk *w, int root, int *dir, int flags)
{
    char name[LY__NAME_MAX + 1], target[LY__PATH_MAX + 1] = "";
    ssize_t n = next_component(w->todo, name);

    if (n < 0)
        return (int)n;
    if (is_dot(name, (size_t)n))
        return 1;
    /* only a link's text holds "..": the walk from the root that follows a splice meets it after done has
     * been passed again, so taking off a component means opening the shorter path anew */
    if (is_dots(name, (size_t)n)) {
        int r = drop_last(w->done);
        if (r < 0)
            return r;
        r = splice_in(w, ".");
        if (r < 0)
            return r;
        n = -1;
    } else if (n > 0) {
        int fd = step(*dir, name, flags, target);
        if (fd > 0) {
            close(*dir);
            *dir = fd;
            return add_last(w->done, name) < 0 ? -ENAMETOOLONG : 1;
        }
        if (fd == 0 && ++w->links > LY__LINKS_MAX)
            return -ELOOP;
        int r = fd < 0 ? fd : splice_in(w, target);
        if (r < 0)
            return r;
        n = -1;
    }
    if (n == 0)
        return 0;
    close(*dir);
    *dir = openat(root, ".", OPEN_DIRECTORY);
    return *dir < 0 ? -errno : 1;
}

static int walk(int root, const char *path, int flags)
{
    struct walk w = {.links = 0};
    int dir = openat(root, ".", OPEN_DIRECTORY);
    int r = dir < 0 ? -errno : 1;

    memcpy(w.todo, path, strlen(path) + 1);
    while (r > 0)
        r = walk_one(&w, root, &dir, flags);
    if (r < 0 && dir >= 0)
        close(dir);
    return r < 0 ? r : dir;
}

/* ---- the kernel's way ---- */

/* Returns the descriptor, an error, or -ENOSYS where the walk must do it. */
static int ask_kernel(int root, const char *path, int flags)
{
    struct open_how how = {
        .flags = OPEN_DIRECTORY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };

    if (flags & LY__BENEATH_STRICT)
        how.resolve |= RESOLVE_NO_SYMLINKS;
    for (int i = 0; i < RETRIES; i++) {
        int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0)
            return fd;
        if (errno == EXDEV)
            return LY_EOUTSIDE;
        if (errno == EPERM) /* a sandbox that does not know the call */
            return -ENOSYS;
        if (errno != EAGAIN)
            return -errno;
    }
    return -ENOSYS;
}

/* Open the directory at a clean path. */
static int open_directory(int root, const char *path, int flags)
{
    if (!path[0])
        path = ".";
    int fd = flags & LY__BENEATH_WALK ? -ENOSYS : ask_kernel(root, path, flags);
    return fd == -ENOSYS ? walk(root, path, flags) : fd;
}

int ly__beneath_dir(int root, const char *path, int flags)
{
    char clean[LY__PATH_MAX + 1];
    ssize_t n = ly__path_clean(clean, path);
    return n < 0 ? (int)n : open_directory(root, clean, flags);
}

int ly__place_find(struct ly__place *ret_place, int root, const char *path, int flags)
{
    char clean[LY__PATH_MAX + 1];
    ssize_t n = ly__path_clean(clean, path);
    if (n < 0)
        return (int)n;

    char *slash = strrchr(clean, '/');
    const char *name = slash ? slash + 1 : n > 0 ? clean : ".";
    int dir = root;
    if (slash) {
        *slash = '\0';
        dir = open_directory(root, clean, flags);
        if (dir < 0)
            return dir;
    }
    ret_place->dir = dir;
    ret_place->held = slash != NULL;
    memcpy(ret_place->name, name, strlen(name) + 1);
    return 0;
}

void ly__place_done(struct ly__place *p)
{
    if (p->held)
        close(p->dir);
    p->held = false;
    p->dir = -1;
}

int ly__open_names(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}
