/* SPDX-License-Identifier: MIT */
/*
 * Trust on first use. The question goes to the terminal itself, since standard input and output may be files
 * of the command that runs. Without a terminal nobody is asked and the answer is no; the message has the
 * command that says yes, with the identity in it, so that what is accepted later is what was seen.
 */
#include "cli/trust.h"
#include "cli/command.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ly__trust_say(const char *command, const char *directory, int error)
{
    const char *text = ly_error_text(error);
    if (error == -EPERM)
        text = "it belongs to somebody else, or others may write to it: it is not believed";
    else if (error == LY_ETOOBIG)
        text = "it is full: remove what is not needed";
    ly__cli_say(command, "%s/" LY__KNOWN_FILE ": %s", directory, text);
}

/* The command that accepts it. A name in brackets is a pattern to the shell. */
static void say_command(const struct ly__peer *peer, const char *id)
{
    const char *quote = *peer->name == '[' ? "'" : "";
    fprintf(stderr, "    lanyard known accept %s%s#%s%s\n", quote, peer->name, id, quote);
}

static const char *shown(const struct ly__known_host *known)
{
    return *known->id ? known->id : "(cannot be read)";
}

/* ---- the question ---- */

/* A line without its end; what does not fit is dropped. Returns whether there is one. */
static bool read_line(int fd, char *line, size_t cap)
{
    size_t n = 0;
    for (;;) {
        char c;
        ssize_t r = read(fd, &c, 1);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        if (c == '\n')
            break;
        if (n + 1 < cap)
            line[n++] = c;
    }
    line[n] = 0;
    return true;
}

/* Yes or no, as often as it takes; the end of the input is a no. */
static bool ask_until_answered(int tty)
{
    char line[16];
    for (;;) {
        dprintf(tty, "Is it the same? (yes/no) ");
        if (!read_line(tty, line, sizeof line))
            return false;
        if (strcmp(line, "yes") == 0)
            return true;
        if (strcmp(line, "no") == 0)
            return false;
    }
}

/* 1: yes; 0: no; -ENOTTY: there is nobody to ask. */
static int ask(const struct ly__peer *peer, const char *id, const struct ly__known_host *known)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return -ENOTTY;
    if (known)
        dprintf(tty, "%s had another key before, with the identity\n    %s\nNow it has\n    %s\n", peer->name,
                shown(known), id);
    else
        dprintf(tty, "%s is not known here. Its identity is\n    %s\n", peer->name, id);
    dprintf(tty, "Compare it with what 'lanyard id' says on that machine.\n");
    bool yes = ask_until_answered(tty);
    close(tty);
    return yes;
}

static int say_unasked(const char *command, const struct ly__peer *peer, const char *id,
                       const struct ly__known_host *known)
{
    ly__cli_say(command, "%s %s, and there is nobody to ask. If 'lanyard id' says %s there:", peer->name,
                known ? "has another key than before" : "is not known here", id);
    say_command(peer, id);
    return LY_EPEER;
}

int ly__trust_ask(const char *command, const struct ly__peer *peer, const char *id,
                  const struct ly__known_host *known)
{
    int yes = ask(peer, id, known);
    if (yes < 0)
        return say_unasked(command, peer, id, known);
    if (yes == 0)
        ly__cli_say(command, "%s is not trusted", peer->name);
    return yes ? 0 : LY_EPEER;
}

/* ---- what to do ---- */

static int remember(const struct ly__trust *t, const struct ly__peer *peer, const char *id)
{
    int r = ly__known_remember(t->directory, peer->name, id);
    if (r < 0)
        ly__trust_say(t->command, t->directory, r);
    return r;
}

static int meet(const struct ly__trust *t, const struct ly__peer *peer, const char *id)
{
    if (t->accept_new)
        ly__cli_say(t->command, "%s is remembered as %s", peer->name, id);
    else if (t->is_batch)
        return say_unasked(t->command, peer, id, NULL);
    int r = t->accept_new ? 0 : ly__trust_ask(t->command, peer, id, NULL);
    return r < 0 ? r : remember(t, peer, id);
}

static int refuse(const struct ly__trust *t, const struct ly__peer *peer, const struct ly__known_host *known,
                  const char *id)
{
    ly__cli_say(t->command, "%s HAS ANOTHER KEY THAN BEFORE; nothing was sent to it", peer->name);
    fprintf(
        stderr,
        "    remembered: %s\n    now:        %s\n"
        "Either somebody stands between you and that machine, or it was given a new key. Ask who keeps it what\n"
        "'lanyard id' says there. Only if it says what stands behind 'now':\n",
        shown(known), id);
    say_command(peer, id);
    return LY_EPEER;
}

static int promote(const struct ly__trust *t, const struct ly__peer *peer, const char *id)
{
    int r = ly__known_promote(t->directory, peer->name, id);
    if (r < 0) {
        ly__trust_say(t->command, t->directory, r);
        return r;
    }
    ly__cli_say(t->command, "%s has the key now that it had announced: %s", peer->name, id);
    return 0;
}

static int check_named(const struct ly__trust *t, const struct ly__peer *peer, const char *id)
{
    if (strcmp(peer->id, id) == 0)
        return 0;
    ly__cli_say(t->command,
                "%s is another machine than you named, or stands before it; nothing was sent to it",
                peer->name);
    fprintf(stderr, "    named: %s\n    is:    %s\n", peer->id, id);
    return LY_EPEER;
}

int ly__trust(const struct ly__trust *t, const struct ly__peer *peer, const char *id)
{
    struct ly__known_host known;
    if (*peer->id)
        return check_named(t, peer, id);
    int r = ly__known_find(t->directory, peer->name, id, &known);
    switch (r) {
    case LY__KNOWN_SAME:
        return 0;
    case LY__KNOWN_NOT:
        return meet(t, peer, id);
    case LY__KNOWN_NEXT:
        return promote(t, peer, id);
    case LY__KNOWN_CHANGED:
        return refuse(t, peer, &known, id);
    default:
        ly__trust_say(t->command, t->directory, r);
        return r;
    }
}
