/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small helps with libvirt's API. */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

/*
 * A libvirtd that does not answer for 5 s is asked whether it lives; after 3 more such turns it is
 * given up.
 */
#define VGPU_HOST_KEEPALIVE_S     5
#define VGPU_HOST_KEEPALIVE_COUNT 3

/* What the last call of this thread failed with, on one line. Owned by the caller. */
static inline char *vgpu_host_libvirt_error(void)
{
    return g_strdelimit(g_strdup(virGetLastErrorMessage()), "\r\n", ' ');
}
