/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "accounts.h"

static void read_page(const VgpuPage *page, VgpuAccounts *accounts)
{
    guint64 *count = accounts->count;

    count[VGPU_ACCOUNT_REQUESTS] = atomic_load(&page->requests);
    count[VGPU_ACCOUNT_BYTES_IN] = atomic_load(&page->bytes_in);
    count[VGPU_ACCOUNT_BYTES_OUT] = atomic_load(&page->bytes_out);
    count[VGPU_ACCOUNT_DEVICE_NS] = atomic_load(&page->device_ns);
    count[VGPU_ACCOUNT_SERVICE_NS] = atomic_load(&page->service_ns);
    count[VGPU_ACCOUNT_WAIT_NS] = atomic_load(&page->wait_ns);
    for (gsize i = 0; i < VGPU_ERROR_COUNT; i++)
        count[VGPU_ACCOUNT_ERRORS + i] = atomic_load(&page->errors[i]);
    for (gsize i = 0; i < VGPU_PAGE_WAITS; i++)
        count[VGPU_ACCOUNT_WAITS + i] = atomic_load(&page->waits[i]);
}

/* @value, which is not above G_MAXINT64, and @more, as far as there is room. */
static guint64 add(guint64 value, guint64 more)
{
    return value + MIN(more, (guint64)G_MAXINT64 - value);
}

void vgpu_accounts_look(VgpuAccounts *seen, const VgpuPage *page, guint64 elapsed_ns,
                        VgpuAccounts *total)
{
    const guint64 most = elapsed_ns < G_MAXUINT64 / VGPU_ACCOUNTS_PER_NS
                             ? elapsed_ns * VGPU_ACCOUNTS_PER_NS
                             : G_MAXUINT64;
    VgpuAccounts now;

    read_page(page, &now);
    for (gsize i = 0; i < VGPU_ACCOUNT_COUNT; i++) {
        const guint64 was = seen->count[i];
        const guint64 more = now.count[i] > was ? MIN(now.count[i] - was, most) : 0;

        seen->count[i] = add(was, more);
        if (total != NULL)
            total->count[i] = add(total->count[i], seen->count[i] - was);
    }
}
