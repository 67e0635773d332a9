/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A scheduler with some clients, for its tests. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scheduler.h"

#define MS    G_GUINT64_CONSTANT(1000000)
#define NEVER G_MAXUINT64

#define LOW    VGPU_PRIORITY_LOW
#define MEDIUM VGPU_PRIORITY_MEDIUM
#define HIGH   VGPU_PRIORITY_HIGH

#define assert_order(order, KIND, CLIENT)                                                          \
    do {                                                                                           \
        VgpuOrder order_ = (order);                                                                \
        assert_int_equal(order_.kind, VGPU_ORDER_##KIND);                                          \
        assert_ptr_equal(order_.client, CLIENT);                                                   \
    } while (0)

/* A scheduler with clients of the given priorities; the last argument is -1. */
typedef struct {
    VgpuScheduler *s;
    VgpuSchedulerClient *c[8];
    guint count;
} Fixture;

static inline void set_up(Fixture *f, const VgpuSchedulerSettings *settings, ...)
{
    va_list priorities;
    int priority;

    *f = (Fixture){.s = vgpu_scheduler_new(settings, 0)};
    va_start(priorities, settings);
    while ((priority = va_arg(priorities, int)) >= 0)
        f->c[f->count++] = vgpu_scheduler_add(f->s, priority, VGPU_SCHEDULER_WEIGHT, f);
    va_end(priorities);
}

static inline void tear_down(Fixture *f)
{
    for (guint i = 0; i < f->count; i++)
        if (f->c[i] != NULL)
            vgpu_scheduler_remove(f->s, f->c[i], 0);
    vgpu_scheduler_free(f->s);
}

static inline VgpuOrder want(Fixture *f, guint client, guint64 now)
{
    return vgpu_scheduler_want(f->s, f->c[client], now);
}

static inline VgpuOrder back(Fixture *f, guint client, VgpuReturned how, guint64 now)
{
    return vgpu_scheduler_returned(f->s, f->c[client], how, now);
}

static inline VgpuOrder tick(Fixture *f, guint64 now)
{
    return vgpu_scheduler_tick(f->s, now);
}
