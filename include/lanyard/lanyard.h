/* SPDX-License-Identifier: MIT */
/* All of liblanyard. */
#ifndef LANYARD_LANYARD_H
#define LANYARD_LANYARD_H

#include <lanyard/address.h>
#include <lanyard/async.h>
#include <lanyard/buffer.h>
#include <lanyard/challenge.h>
#include <lanyard/channel.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <lanyard/event.h>
#include <lanyard/fiber.h>
#include <lanyard/file.h>
#include <lanyard/frame.h>
#include <lanyard/framing.h>
#include <lanyard/http.h>
#include <lanyard/http_server.h>
#include <lanyard/json.h>
#include <lanyard/log.h>
#include <lanyard/option.h>
#include <lanyard/poller.h>
#include <lanyard/process.h>
#include <lanyard/server.h>
#include <lanyard/socket.h>
#include <lanyard/stream.h>
#include <lanyard/supervise.h>
#include <lanyard/tls.h>

#endif
