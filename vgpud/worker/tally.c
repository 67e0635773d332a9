/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tally.h"

#include "vgpu-codec.h"

static gboolean is_power_of_ten(guint64 number)
{
    while (number % 10 == 0)
        number /= 10;
    return number == 1;
}

void vgpu_tally_add(VgpuTally *tally, enum vgpu_error error, guint32 request_id, const char *detail)
{
    guint64 count = ++tally->counts[error];

    if (!is_power_of_ten(count))
        return;
    g_autofree char *so_far =
        count > 1 ? g_strdup_printf(" (%" G_GUINT64_FORMAT " so far)", count) : g_strdup("");
    g_warning("request %u answered with 0x%02x %s%s%s%s", request_id, error, vgpu_error_name(error),
              detail != NULL ? ": " : "", detail != NULL ? detail : "", so_far);
}
