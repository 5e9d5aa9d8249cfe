/* SPDX-License-Identifier: MIT */
#include "cli/state.h"
#include "cli/command.h"
#include "daemon/place.h"
#include <errno.h>
#include <lanyard/error.h>

static const char *explain(int error)
{
    if (error == -EPERM)
        return "it belongs to somebody else, or others may write to it; it must be its user's alone";
    return ly_error_text(error);
}

int ly__cli_state(const char *command, char directory[PATH_MAX], bool make)
{
    int r = ly__place_state(directory, PATH_MAX, make);
    if (r == -EINVAL)
        ly__cli_say(command, "$LANYARD_STATE must be an absolute path");
    else if (r == LY_ETOOBIG)
        ly__cli_say(command, "the path of the state directory is too long");
    else if (r < 0 && !*directory)
        ly__cli_say(command, "there is no state directory: set $HOME or $LANYARD_STATE");
    else if (r < 0 && (make || r != -ENOENT))
        ly__cli_say(command, "the state directory %s: %s", directory, explain(r));
    return r;
}

int ly__cli_key(const char *command, const char *directory, const char *file, bool make, struct ly__key *key)
{
    int r = ly__key_open(key, directory, file, make);
    if (r < 0 && (make || r != -ENOENT))
        ly__cli_say(command, "%s/%s: %s", directory, file, ly__key_text(r));
    return r;
}
