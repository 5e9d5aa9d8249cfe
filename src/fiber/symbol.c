/* SPDX-License-Identifier: MIT */
/*
 * Names of functions, for reports.
 *
 * dladdr(3) knows the functions that an object exports, which a program's handlers never are: they are
 * static, and the program is no library. The names are in the file all the same, in the symbol table that a
 * debugger reads, unless it was stripped. So the object's file is mapped and that table looked through, from
 * the first entry to the last: reports are rare, and what was found is remembered. The file is the one that
 * runs, or was put in its place since; every offset in it is checked before it is followed.
 */
#include "fiber/symbol.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_ 64
#define REMEMBERED 64

struct place {
    uintptr_t address;
    uintptr_t offset;     /* in its object, as the file counts */
    char object[256];     /* the file to look into; "": not known */
    char name[NAME_MAX_]; /* of the function; "": not known */
    uintptr_t distance;   /* from its beginning */
};

/* ---- the object ---- */

static int find_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct place *p = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + h->p_vaddr;
        if (h->p_type != PT_LOAD || p->address < start || p->address - start >= h->p_memsz)
            continue;
        p->offset = p->address - info->dlpi_addr;
        snprintf(p->object, sizeof p->object, "%s", info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe");
        return 1;
    }
    return 0;
}

/* ---- its symbols ---- */

struct image {
    const unsigned char *bytes;
    size_t size;
};

/* n things of this size at the offset, if they are all there. */
static const void *at(const struct image *m, uint64_t offset, uint64_t n, size_t size)
{
    if (offset > m->size || n > (m->size - offset) / size || offset % 8 != 0)
        return NULL;
    return m->bytes + offset;
}

static bool is_match(const ElfW(Sym) * s, uintptr_t offset, const struct place *best)
{
    unsigned type = s->st_info & 0xf; /* ELF32_ST_TYPE and ELF64_ST_TYPE */
    if (type != STT_FUNC || s->st_shndx == SHN_UNDEF || offset < s->st_value)
        return false;
    uintptr_t distance = offset - s->st_value;
    return distance < s->st_size && (!best->name[0] || distance < best->distance);
}

static void search(const struct image *m, const ElfW(Shdr) * table, const ElfW(Shdr) * strings,
                   struct place *p)
{
    size_t n = table->sh_size / sizeof(ElfW(Sym));
    const ElfW(Sym) *s = at(m, table->sh_offset, n, sizeof *s);
    if (!s || strings->sh_offset > m->size || strings->sh_size > m->size - strings->sh_offset)
        return;
    const char *text = (const char *)m->bytes + strings->sh_offset;
    for (size_t i = 0; i < n; i++) {
        if (!is_match(&s[i], p->offset, p) || s[i].st_name >= strings->sh_size)
            continue;
        size_t most = strings->sh_size - s[i].st_name;
        size_t length = strnlen(text + s[i].st_name, most < NAME_MAX_ ? most : NAME_MAX_ - 1);
        memcpy(p->name, text + s[i].st_name, length);
        p->name[length] = 0;
        p->distance = p->offset - s[i].st_value;
    }
}

static void search_all(const struct image *m, struct place *p)
{
    const ElfW(Ehdr) *e = at(m, 0, 1, sizeof *e);
    if (!e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_shentsize != sizeof(ElfW(Shdr)))
        return;
    const ElfW(Shdr) *sections = at(m, e->e_shoff, e->e_shnum, sizeof *sections);
    for (int i = 0; sections && i < e->e_shnum; i++) {
        bool is_table = sections[i].sh_type == SHT_SYMTAB || sections[i].sh_type == SHT_DYNSYM;
        if (is_table && sections[i].sh_link < e->e_shnum)
            search(m, &sections[i], &sections[sections[i].sh_link], p);
    }
}

static void find_name(struct place *p)
{
    struct stat st;
    int fd = open(p->object, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes != MAP_FAILED) {
            struct image m = {bytes, (size_t)st.st_size};
            search_all(&m, p);
            munmap(bytes, (size_t)st.st_size);
        }
    }
    close(fd);
}

/* ---- for reports ---- */

static const char *file_name(const struct place *p)
{
    if (strcmp(p->object, "/proc/self/exe") == 0)
        return program_invocation_short_name;
    const char *slash = strrchr(p->object, '/');
    return slash ? slash + 1 : p->object;
}

static void describe(const struct place *p, char *buf, size_t cap)
{
    if (p->name[0])
        snprintf(buf, cap, "%s+0x%zx in %s", p->name, (size_t)p->distance, file_name(p));
    else if (p->object[0])
        snprintf(buf, cap, "0x%zx in %s", (size_t)p->offset, file_name(p));
    else
        snprintf(buf, cap, "0x%zx", (size_t)p->address);
}

void ly__symbol_describe(const void *address, char *buf, size_t cap)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct place known[REMEMBERED];
    struct place *p = &known[(uintptr_t)address / 4 % REMEMBERED];
    pthread_mutex_lock(&lock);
    if (p->address != (uintptr_t)address) {
        *p = (struct place){.address = (uintptr_t)address};
        if (dl_iterate_phdr(find_object, p) == 1)
            find_name(p);
    }
    describe(p, buf, cap);
    pthread_mutex_unlock(&lock);
}
