/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two pools and two VMs for the tests of whatever shows them, and actions that only note it. */
#pragma once

#include "actions.h"
#include "model.h"

#define EXAMPLE_UUID "11111111-aaaa-1111-1111-111111111111"

typedef struct {
    VgpuModel model;
    VgpuPools *pools;       /* A: gpu0 with 4 slots and gpu1; B: null */
    VgpuSessions *sessions; /* the two below */
    VgpuSession *serving;   /* "web", 3, pool A, high: computes on "Example GPU" */
    VgpuSession *waiting;   /* "db", 9, pool B, low: its QEMU has not connected, and has no place */

    VgpuActions actions;
    GString *asked;      /* what was asked for, one line each: "set web A high\n" */
    const char *failure; /* what the next actions fail with; NULL: they succeed */
} ExampleModel;

ExampleModel *example_model_new(void);
void example_model_free(ExampleModel *example);
