/* SPDX-License-Identifier: MIT */
/*
 * What `lanyard exec --json` prints: an object a line for each event.
 *
 *   {"event": "started", "pid": 4711}
 *   {"event": "stdout", "encoding": "utf-8", "data": "text\n"}      also "stderr"
 *   {"event": "stdout", "encoding": "base64", "data": "AP8="}       bytes that are no UTF-8
 *   {"event": "end", "exit": 3, "duration_ms": 12}                  or "signal": 15; "timeout": true besides
 *   {"event": "error", "error": "LY_EROLE", "text": "..."}          it could not be run, or the connection is
 * lost
 *
 * The last line is one of the last two. Output is in the order in which it came; its pieces end anywhere but
 * within a character.
 */
#ifndef LY_CLI_EXEC_JSON_H
#define LY_CLI_EXEC_JSON_H

#include <lanyard/buffer.h>
#include <lanyard/json.h>
#include <stdint.h>

#define LY__EXEC_JSON_PIECE 65536 /* most bytes of output in one event */

struct ly__exec_json {
    struct ly_buffer line;
    int64_t began; /* of ly_now() */
    struct {
        char bytes[4]; /* the beginning of a character whose rest has not come */
        size_t n;
    } kept[2]; /* of standard output and error */
};

void ly__exec_json_init(struct ly__exec_json *j);
void ly__exec_json_done(struct ly__exec_json *j);

/* Each makes the lines of an event in j->line, in place of what was there; "" if there is nothing to say yet.
 * Returns 0 or -ENOMEM. */
int ly__exec_json_started(struct ly__exec_json *j, struct ly_json header);
int ly__exec_json_output(struct ly__exec_json *j, int which, const char *bytes, size_t n); /* up to a piece */
int ly__exec_json_end(struct ly__exec_json *j, struct ly_json header);
int ly__exec_json_error(struct ly__exec_json *j, const char *error, const char *text);

#endif
