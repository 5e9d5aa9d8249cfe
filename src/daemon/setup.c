/* SPDX-License-Identifier: MIT */
#include "daemon/setup.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

int ly__setup_send(const struct ly__setup *s, struct ly__channel *c)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"uid", s->uid}, {"gid", s->gid}, {"log_level", s->log_level}};
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = ly__channel_begin(&b);
    if (r == 0)
        r = ly_json_put_string(&b, "setup", "worker");
    if (r == 0)
        r = ly_json_put_string(&b, "key", s->key);
    if (r == 0)
        r = ly_json_put_string(&b, "certificate", s->certificate);
    if (r == 0)
        r = ly_json_put_string(&b, "next_key", s->next_key);
    if (r == 0)
        r = ly_json_put_bool(&b, "asks_first", s->asks_first);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && r == 0; i++)
        r = ly_json_put_int(&b, numbers[i].name, numbers[i].value);
    if (r == 0)
        r = ly__channel_send(c, &b, &s->root_fd, s->root_fd >= 0);
    if (b.length > 0)
        explicit_bzero(ly_buffer_bytes(&b), b.length);
    ly_buffer_done(&b);
    return r;
}

static int read_fields(struct ly__setup *s, struct ly_json json)
{
    int64_t uid, gid, level;
    if (ly_json_string(ly_json_get(json, "key"), s->key, sizeof s->key) < 0 ||
        ly_json_string(ly_json_get(json, "certificate"), s->certificate, sizeof s->certificate) < 0 ||
        ly_json_string(ly_json_get(json, "next_key"), s->next_key, sizeof s->next_key) < 0 ||
        ly_json_bool(ly_json_get(json, "asks_first"), &s->asks_first) < 0 ||
        ly_json_int(ly_json_get(json, "uid"), &uid) < 0 || ly_json_int(ly_json_get(json, "gid"), &gid) < 0 ||
        ly_json_int(ly_json_get(json, "log_level"), &level) < 0)
        return LY_EFIELD;
    if (uid < 0 || uid > UINT_MAX || gid < 0 || gid > UINT_MAX)
        return LY_EFIELD;
    s->uid = (uid_t)uid;
    s->gid = (gid_t)gid;
    s->log_level = (enum ly_log_level)level;
    return 0;
}

int ly__setup_receive(struct ly__setup *ret_setup, struct ly__channel *c)
{
    struct ly__message m;
    *ret_setup = (struct ly__setup){.root_fd = -1};
    int r = ly__channel_receive(c, &m);
    if (r <= 0)
        return r < 0 ? r : -EPIPE;
    r = m.is_short ? -EMFILE
        : ly_json_equal(ly_json_get(m.json, "setup"), "worker") && m.nfds <= 1
            ? read_fields(ret_setup, m.json)
            : LY_EFIELD;
    if (r == 0 && m.nfds == 1) {
        ret_setup->root_fd = m.fds[0];
        m.nfds = 0;
    }
    explicit_bzero(c->bytes, LY__CHANNEL_MAX);
    ly__message_done(&m);
    return r;
}

void ly__setup_wipe(struct ly__setup *s)
{
    explicit_bzero(s->key, sizeof s->key);
}
