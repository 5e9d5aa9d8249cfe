/* SPDX-License-Identifier: MIT */
/* Walking a form ends, stays inside it, and finds what it walks over; credentials are within their bounds. */
#include <lanyard/http.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_found(struct ly_http_text form, struct ly_http_text name)
{
    char text[64], value[64];
    ssize_t n = ly_http_unescape(name, true, text, sizeof text);
    require(n <= (ssize_t)name.length);
    if (n < 0 || strlen(text) != (size_t)n)
        return;
    ssize_t r = ly_http_form_get(form, text, value, sizeof value);
    require(r >= 0 || r == LY_EHTTP || r == LY_ETOOBIG);
}

static void check_basic(struct ly_http_text value)
{
    const char *user, *password;
    char *text = malloc(value.length + 2);
    require(text != NULL);
    if (ly_http_basic(value, text, value.length + 2, &user, &password) == 0)
        require(user == text && password == user + strlen(user) + 1 &&
                password + strlen(password) < text + value.length + 2);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ly_http_text form = {(const char *)data, size};
    struct ly_http_text rest = form, name, value;
    for (int pairs = 0; pairs < 20 && ly_http_form_next(&rest, &name, &value); pairs++) {
        require(name.bytes >= form.bytes && name.bytes + name.length <= form.bytes + size);
        require(value.bytes >= name.bytes && value.bytes + value.length <= form.bytes + size);
        require(name.length + value.length > 0 || value.bytes > name.bytes);
        check_found(form, name);
    }
    check_basic(form);
    return 0;
}
