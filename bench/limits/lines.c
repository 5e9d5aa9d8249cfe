/* SPDX-License-Identifier: MIT */
/* Lines from a pipe by the C library's getline. */
#include "../common/feed.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
    int ends[2];
    char *line = NULL;
    size_t room = 0, bytes = 0, lines = 0;
    ssize_t n;
    if (pipe(ends) < 0)
        return 1;
    feed(ends[1]);
    FILE *file = fdopen(ends[0], "r");
    if (!file)
        return 1;
    double begin = feed_clock();
    for (; (n = getline(&line, &room, file)) > 0; lines++)
        bytes += (size_t)n;
    feed_result("getline", begin, bytes, lines);
    free(line);
    fclose(file);
    return 0;
}
