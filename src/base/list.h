/* SPDX-License-Identifier: MIT */
/* An intrusive doubly linked list: a head and its members are both a struct ly__list; an empty one points to
 * itself. */
#ifndef LY_BASE_LIST_H
#define LY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ly__list {
    struct ly__list *next, *prev;
};

/* The struct of this type that holds the member at this pointer. */
#define ly__container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* NOLINTBEGIN(bugprone-macro-parentheses): the macros declare it, and a declared name takes none */
#define ly__list_each(it, head) for (struct ly__list *it = (head)->next; it != (head); it = it->next)
/* As above; the current member may be removed, other members may not. */
#define ly__list_each_safe(it, head)                                              \
    for (struct ly__list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void ly__list_init(struct ly__list *l)
{
    l->next = l->prev = l;
}

static inline bool ly__list_empty(const struct ly__list *l)
{
    return l->next == l;
}

static inline void ly__list_append(struct ly__list *head, struct ly__list *member)
{
    member->prev = head->prev;
    member->next = head;
    head->prev->next = member;
    head->prev = member;
}

/* Take a member out; it then points to itself, so that removing it again is harmless. */
static inline void ly__list_remove(struct ly__list *member)
{
    member->prev->next = member->next;
    member->next->prev = member->prev;
    member->next = member->prev = member;
}

static inline struct ly__list *ly__list_first(struct ly__list *head)
{
    return head->next == head ? NULL : head->next;
}

#endif
