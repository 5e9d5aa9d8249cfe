/* SPDX-License-Identifier: MIT */
/*
 * Results and errors.
 *
 * Every function of this library that can fail returns an int or ssize_t: at least 0 is success, a negative
 * number is an error. Numbers from -1 to -4095 are the system's (-errno); the library's own lie below them.
 * No result travels in errno, which a fiber switch may change.
 */
#ifndef LANYARD_ERROR_H
#define LANYARD_ERROR_H

#include <errno.h> /* the names of the system's: -ECONNRESET, -ETIMEDOUT */

#ifdef __cplusplus
extern "C" {
#endif

#ifndef LY_API
#define LY_API __attribute__((visibility("default")))
#endif

/* One row an error: name, number, text. */
#define LY_ERRORS(X)                                                                 \
    X(EEOF, -5000, "the peer closed the connection before the message was complete") \
    X(ETOOBIG, -5001, "a length exceeds its limit")                                  \
    X(EFRAME, -5002, "malformed frame")                                              \
    X(EJSON, -5003, "malformed JSON")                                                \
    X(EFIELD, -5004, "a field is missing or has the wrong type")                     \
    X(EADDRESS, -5005, "malformed address; write tcp://host:port or unix:path")      \
    X(ENONAME, -5006, "host name not found")                                         \
    X(ERESOLVE, -5007, "host name could not be resolved now")                        \
    X(ECHECKSUM, -5008, "the checksum does not match")                               \
    X(EREMOTE, -5009, "the peer reported an error")                                  \
    X(EREFUSED, -5010, "refused by policy")                                          \
    X(ECLOSED, -5011, "closed")                                                      \
    X(ESHUTDOWN, -5012, "the server is shutting down")                               \
    X(EOUTSIDE, -5013, "the name leads out of the served directory")                 \
    X(ENAME, -5014, "the name is too long, or has a control character in it")        \
    X(ECHANGED, -5015, "the file changed during the transfer")                       \
    X(ENOREACTOR, -5016, "no usable reactor of that name")                           \
    X(EUNREADABLE, -5017, "not readable any more: an earlier read failed")           \
    X(EENCODING, -5018, "unknown text encoding")                                     \
    X(EDECODE, -5019, "the bytes are not text of the encoding")                      \
    X(EENCODE, -5020, "the encoding lacks a character of the text")                  \
    X(EITSELF, -5021, "a directory is not copied into itself")                       \
    X(EHTTP, -5022, "malformed HTTP message")                                        \
    X(ETLS, -5023, "the TLS handshake or a TLS record failed")                       \
    X(ECUT, -5024, "the TLS stream was cut: it ended without its closing message")   \
    X(ELOGIN, -5025, "log in first")                                                 \
    X(EDENIED, -5026, "the login failed: wrong name, password or key")               \
    X(EROLE, -5027, "your role does not allow this")                                 \
    X(EPEER, -5028, "the peer's key is not the one that is remembered")              \
    X(ESTORE, -5029, "the file of users is damaged, or is none of lanyard's")        \
    X(ENEWER, -5030, "the file of users was written by a newer version of lanyard")  \
    X(EKEY, -5031, "the file holds no key, a damaged one, or one of another kind")   \
    X(ESESSIONS, -5032, "this user has as many sessions as they may have")           \
    X(ESPECIAL, -5033, "a pipe, socket or device has this name; it is not replaced")

enum ly_error {
#define LY_ERROR_ENUM(name, number, text) LY_##name = (number),
    LY_ERRORS(LY_ERROR_ENUM)
#undef LY_ERROR_ENUM
};

/*
 * The symbolic name of an error: "ECONNRESET", "LY_EFRAME", "OK" for 0 and above, "UNKNOWN" for a number that
 * is no error of the system or the library. The string is static.
 */
LY_API const char *ly_error_name(int error);

/* One line of text for people, in English and without a line end: "connection reset by peer". Static;
 * thread-safe. */
LY_API const char *ly_error_text(int error);

/* The error of a name as ly_error_name gives it ("ENOENT", "LY_EFRAME"); 0 if there is none of that name. */
LY_API int ly_error_from_name(const char *name);

#ifdef __cplusplus
}
#endif
#endif
