/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "patience.h"

#include <stdlib.h>
#include <string.h>

#include "vgpu.h"

void vgpu_patience_init(VgpuPatience *patience, const char *text, uint64_t max_ns)
{
    char *end;

    patience->setting = VGPU_SPIN_ADAPTIVE;
    patience->max_ns = max_ns;
    patience->budget_ns = max_ns;
    if (text == NULL || *text == '\0')
        return;
    if (strcmp(text, "always") == 0) {
        patience->setting = VGPU_SPIN_ALWAYS;
        return;
    }
    long number = strtol(text, &end, 10);
    if (*end == '\0' && number >= 0)
        patience->setting = number;
}

uint64_t vgpu_patience_budget(const VgpuPatience *patience)
{
    if (patience->setting == VGPU_SPIN_ALWAYS)
        return UINT64_MAX;
    return patience->setting >= 0 ? (uint64_t)patience->setting * 1000 : patience->budget_ns;
}

void vgpu_patience_learn(VgpuPatience *patience, uint64_t waited_ns, bool slept)
{
    /* With the wake-up in it a short wait that was slept through looks longer than it was. */
    if (!slept || waited_ns <= 2 * patience->max_ns) {
        patience->budget_ns *= 2;
        if (patience->budget_ns > patience->max_ns)
            patience->budget_ns = patience->max_ns;
    } else {
        patience->budget_ns /= 2;
        if (patience->budget_ns < VGPU_PATIENCE_MIN_NS)
            patience->budget_ns = VGPU_PATIENCE_MIN_NS;
    }
}
