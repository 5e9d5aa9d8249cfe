/* SPDX-License-Identifier: MIT */
/* Feeds every file of the folders named as arguments to a fuzz target, one TAP case a file; a folder may be
 * absent. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(FILE *f, size_t size)
{
    /* Exactly as large as the input, so that a sanitizer sees the first byte read beyond it. */
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL)
        return -ENOMEM;
    int r = -EIO;
    if (fread(data, 1, size, f) == size) {
        LLVMFuzzerTestOneInput(data, size); /* -1 means "keep it out of the corpus", which is no failure */
        r = 0;
    }
    free(data);
    return r;
}

static int replay_file(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rbe");
    if (f == NULL)
        return -errno;
    int r = fstat(fileno(f), &st) < 0 ? -errno : feed(f, (size_t)st.st_size);
    fclose(f);
    return r;
}

static int replay_folder(const char *folder, int *count)
{
    struct dirent **names;
    int failed = 0;
    int n = scandir(folder, &names, NULL, alphasort);
    if (n < 0)
        return 0;
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        if (names[i]->d_name[0] != '.' && asprintf(&path, "%s/%s", folder, names[i]->d_name) > 0) {
            int r = replay_file(path);
            printf("%s %d - %s\n", r < 0 ? "not ok" : "ok", ++*count, names[i]->d_name);
            fflush(stdout);
            failed |= r < 0;
        }
        free(path);
        free(names[i]);
    }
    free(names);
    return failed;
}

int main(int argc, char **argv)
{
    int count = 0;
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= replay_folder(argv[i], &count);
    printf("1..%d\n", count);
    return failed || count == 0;
}
