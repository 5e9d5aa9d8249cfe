/* SPDX-License-Identifier: MIT */
/* Tables: methods and statuses by name; and the date. */
#include "wire/http.h"
#include <time.h>

/* ---- methods ---- */

static const struct {
    const char *name;
    size_t length;
} methods[] = {
#define METHOD(name)            \
    {                           \
#name, sizeof #name - 1 \
    }
    METHOD(GET),     METHOD(HEAD),  METHOD(POST),  METHOD(PUT),      METHOD(DELETE),    METHOD(CONNECT),
    METHOD(OPTIONS), METHOD(TRACE), METHOD(PATCH), METHOD(PROPFIND), METHOD(PROPPATCH), METHOD(MKCOL),
    METHOD(COPY),    METHOD(MOVE),  METHOD(LOCK),  METHOD(UNLOCK),
#undef METHOD
};
#define METHODS (sizeof methods / sizeof *methods)

enum ly_http_method ly_http_method_of(const char *bytes, size_t n)
{
    for (size_t i = 0; i < METHODS; i++)
        if (methods[i].length == n && memcmp(methods[i].name, bytes, n) == 0)
            return (enum ly_http_method)(1 << i);
    return LY_HTTP_UNKNOWN;
}

const char *ly_http_method_name(unsigned method)
{
    for (size_t i = 0; i < METHODS; i++)
        if (method == 1u << i)
            return methods[i].name;
    return "";
}

/* ---- statuses ---- */

static const char *const reasons[] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [102] = "Processing",
    [103] = "Early Hints",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [207] = "Multi-Status",
    [208] = "Already Reported",
    [226] = "IM Used",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [305] = "Use Proxy",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [424] = "Failed Dependency",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [506] = "Variant Also Negotiates",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [511] = "Network Authentication Required",
};

const char *ly_http_reason(int status)
{
    if (status < 0 || (size_t)status >= sizeof reasons / sizeof *reasons || !reasons[status])
        return "";
    return reasons[status];
}

/* ---- the date ---- */

static char *put_two(char *p, int n)
{
    p[0] = (char)('0' + n / 10 % 10);
    p[1] = (char)('0' + n % 10);
    return p + 2;
}

/* By hand, because strftime(3) would name the days in the user's language. */
static void format_date(time_t now, char text[LY_HTTP_DATE_SIZE])
{
    static const char days[] = "Sun, Mon, Tue, Wed, Thu, Fri, Sat, ";
    static const char months[] = " Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec ";
    struct tm t;
    if (!gmtime_r(&now, &t))
        memset(&t, 0, sizeof t);
    char *p = mempcpy(text, days + 5 * t.tm_wday, 5);
    p = put_two(p, t.tm_mday);
    p = mempcpy(p, months + 5 * t.tm_mon, 5);
    p = put_two(p, (t.tm_year + 1900) / 100);
    p = put_two(p, t.tm_year % 100);
    *p++ = ' ';
    p = put_two(p, t.tm_hour);
    *p++ = ':';
    p = put_two(p, t.tm_min);
    *p++ = ':';
    p = put_two(p, t.tm_sec);
    memcpy(p, " GMT", 5);
}

void ly_http_date(char ret_text[LY_HTTP_DATE_SIZE])
{
    static __thread time_t second = -1;
    static __thread char text[LY_HTTP_DATE_SIZE];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != second) {
        format_date(now.tv_sec, text);
        second = now.tv_sec;
    }
    memcpy(ret_text, text, LY_HTTP_DATE_SIZE);
}
