/* SPDX-License-Identifier: MIT */
/* Addresses: what is read prints and reads back as the same; what the kernel might give prints within its
 * room. */
#include <lanyard/address.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printing(const struct ly_address *a, bool reads_back)
{
    char text[LY_ADDRESS_TEXT], cut[8];
    struct ly_address again;

    size_t n = ly_address_format(a, text, sizeof text);
    if (n >= sizeof text || strlen(text) != n || ly_address_format(a, cut, sizeof cut) != n)
        abort();
    if (strnlen(cut, sizeof cut) != (n < sizeof cut ? n : sizeof cut - 1) ||
        memcmp(cut, text, strlen(cut)) != 0)
        abort();
    if (reads_back &&
        (ly_address_parse(&again, text) != 0 || !ly_address_equal(a, &again) || a->type != again.type))
        abort();
}

/* The same bytes as a network, which then holds its own address. */
static void check_network(const char *text)
{
    struct ly_address network;
    int prefix = -1;
    int r = ly_network_parse(&network, &prefix, text);
    if (r != 0 && r != LY_EADDRESS)
        abort();
    if (r == 0 && !ly_address_in_network(&network, &network, prefix))
        abort();
}

static void check_text(const uint8_t *data, size_t size)
{
    struct ly_address a;
    char *text = malloc(size + 1);
    if (!text)
        return;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = 0;
    int r = ly_address_parse(&a, text);
    if (r != 0 && r != LY_EADDRESS && r != LY_ENONAME)
        abort();
    if (r == 0)
        check_printing(&a, true);
    check_network(text);
    free(text);
}

/* The same bytes as an address that a system call filled in. */
static void check_bytes(const uint8_t *data, size_t size)
{
    static const sa_family_t families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
    for (size_t i = 0; i < 4 * sizeof families / sizeof *families; i++) {
        struct ly_address a = {.type = types[i % 4]};
        size_t room = sizeof a.u - sizeof a.u.family;
        size_t n = size < room ? size : room;
        if (n > 0)
            memcpy((char *)&a.u + sizeof a.u.family, data, n);
        a.u.family = families[i / 4];
        a.length = (socklen_t)(sizeof a.u.family + n);
        check_printing(&a, false);
        if (!ly_address_equal(&a, &a) || ly_address_port(&a) > UINT16_MAX)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_text(data, size);
    check_bytes(data, size);
    return 0;
}
