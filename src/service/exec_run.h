/* SPDX-License-Identifier: MIT */
/* One command that runs, and the fibers that serve it. Reading order: exec.c, exec_pump.c, exec_listen.c. */
#ifndef LY_SERVICE_EXEC_RUN_H
#define LY_SERVICE_EXEC_RUN_H

#include "service/service.h"
#include "service/service_child.h"
#include <lanyard/channel.h>
#include <lanyard/fiber.h>

#define LY__EXEC_PIPE (256 << 10) /* bytes asked for the output pipes: few turns */
#define LY__EXEC_READ (64 << 10)  /* of a frame, which is a read and its head */

struct ly__run;

/* One of the command's output streams. */
struct ly__pump {
    struct ly__run *run;
    struct ly_pipe *pipe;  /* borrowed of the child */
    const char *name;      /* "out" or "err" */
    char *room;            /* for a frame; NULL until there is output */
    char *bytes;           /* of the output, in it; the head goes right before them */
    size_t size;           /* most bytes of one read */
    bool wide;             /* the pipe has been enlarged */
    struct ly_buffer head; /* of the frame being sent */
};

struct ly__run {
    struct ly__session *session;
    struct ly__child *child;
    struct ly__pump out, err;
    struct ly_mutex *sending; /* held for a frame */
    struct ly_scope *pumping; /* around the pumps and the wait for the end; NULL: they are done */
    bool timed_out;           /* timeout_ms had run out */
    bool ended;               /* the command: pumps send what is there and end */
    bool done;                /* the end frame is on its way: the listener is no longer needed */
    bool input_ended;         /* standard input is closed */
    int failure;              /* of the client's frames, to be answered; 0: none */
};

void ly__pump_init(struct ly__pump *p, struct ly__run *run, struct ly_pipe *pipe, const char *name);
void ly__pump_done(struct ly__pump *p);

/* Send what the pipe holds now and no more. Returns 0 or an error of ly_sendall. Suspends. */
int ly__pump_rest(struct ly__pump *p);

/* The two kinds of fiber; arg is the struct ly__pump, the struct ly__run. */
int ly__exec_pump(void *arg);
int ly__exec_listen(void *arg);

/* The client has gone: sends end, and so does the wait for the command. */
void ly__exec_lose(struct ly__run *run);

#endif
