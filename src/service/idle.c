/* SPDX-License-Identifier: MIT */
/*
 * The sessions that are there, and those of them that wait for their next request.
 *
 * A server that ends lets what runs finish. A connection between two requests runs nothing and would hold up
 * the end for the whole of that time, so such connections stand in a list, and the end shuts down their
 * reading side: they see the end of their input and close. Who has just connected, and is about to ask for
 * something, is spared for a moment: nobody is to notice that a server starts anew. One session is ended from
 * outside, whatever it does, by shutting down both sides. The lock keeps a socket open while it is shut down.
 */
#include "service/service.h"

void ly__idle_open(struct ly__idle *idle)
{
    pthread_mutex_init(&idle->lock, NULL);
    ly__list_init(&idle->all);
    ly__list_init(&idle->waiting);
    idle->ending = idle->sparing = false;
}

void ly__idle_close(struct ly__idle *idle)
{
    pthread_mutex_destroy(&idle->lock);
}

static bool is_over(const struct ly__session *s)
{
    const struct ly__idle *idle = &s->service->idle;
    return idle->ending && !(idle->sparing && !s->has_asked);
}

void ly__idle_end(struct ly__idle *idle, bool sparing)
{
    pthread_mutex_lock(&idle->lock);
    idle->ending = true;
    idle->sparing = sparing;
    ly__list_each (l, &idle->waiting) {
        const struct ly__session *s = ly__container_of(l, struct ly__session, idle);
        if (is_over(s))
            ly_shutdown(s->sock, SHUT_RD); /* waits for nothing */
    }
    ly__list_each (l, &idle->all) {
        const struct ly__session *s = ly__container_of(l, struct ly__session, link);
        if (!sparing && !s->logged_in)
            (void)shutdown(ly_sock_fileno(s->sock), SHUT_RDWR);
    }
    pthread_mutex_unlock(&idle->lock);
}

bool ly__idle_cut(struct ly__idle *idle, uint64_t number)
{
    bool found = false;
    pthread_mutex_lock(&idle->lock);
    ly__list_each (l, &idle->all) {
        const struct ly__session *s = ly__container_of(l, struct ly__session, link);
        if (s->number == number) {
            (void)shutdown(ly_sock_fileno(s->sock), SHUT_RDWR);
            found = true;
        }
    }
    pthread_mutex_unlock(&idle->lock);
    return found;
}

void ly__idle_each_busy(struct ly__idle *idle,
                        void (*fn)(void *arg, uint64_t number, const struct ly__deed *deed), void *arg)
{
    pthread_mutex_lock(&idle->lock);
    ly__list_each (l, &idle->all) {
        const struct ly__session *s = ly__container_of(l, struct ly__session, link);
        if (s->deed)
            fn(arg, s->number, s->deed);
    }
    pthread_mutex_unlock(&idle->lock);
}

void ly__session_does(struct ly__session *s, const struct ly__deed *deed)
{
    pthread_mutex_lock(&s->service->idle.lock);
    s->deed = deed;
    pthread_mutex_unlock(&s->service->idle.lock);
}

void ly__session_enter(struct ly__session *s)
{
    pthread_mutex_lock(&s->service->idle.lock);
    ly__list_append(&s->service->idle.all, &s->link);
    pthread_mutex_unlock(&s->service->idle.lock);
}

void ly__session_leave(struct ly__session *s)
{
    pthread_mutex_lock(&s->service->idle.lock);
    ly__list_remove(&s->link);
    pthread_mutex_unlock(&s->service->idle.lock);
}

bool ly__session_idle(struct ly__session *s)
{
    struct ly__idle *idle = &s->service->idle;
    pthread_mutex_lock(&idle->lock);
    bool over = is_over(s);
    if (!over)
        ly__list_append(&idle->waiting, &s->idle);
    pthread_mutex_unlock(&idle->lock);
    return !over;
}

void ly__session_busy(struct ly__session *s)
{
    pthread_mutex_lock(&s->service->idle.lock);
    ly__list_remove(&s->idle);
    pthread_mutex_unlock(&s->service->idle.lock);
}
