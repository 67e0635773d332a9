/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an operator asks for: it travels to the worker thread, is carried out there, and comes back
 * to the main thread with its outcome.
 */
#pragma once

#include "host-look.h"
#include "host.h"

typedef enum {
    VGPU_HOST_ORDER_SET_ELEMENT,
    VGPU_HOST_ORDER_DETACH_ALL,
    VGPU_HOST_ORDER_ATTACH_ALL,
} VgpuHostOrderKind;

typedef struct VgpuHostOrder {
    VgpuHostOrderKind kind;
    char *domain;       /* SET_ELEMENT: name or UUID */
    VgpuConfig *config; /* SET_ELEMENT; NULL: take the element out */
    gboolean executed;  /* it has been turned to; else it was refused */
    GError *error;      /* the outcome; NULL: done */
    VgpuHostDone done;  /* may be NULL */
    gpointer user_data;
    VgpuHostShared *shared; /* SET_ELEMENT while it is carried out: a reference */
} VgpuHostOrder;

/* Copies @domain and @config, which may be NULL. */
VgpuHostOrder *vgpu_host_order_new(VgpuHostOrderKind kind, const char *domain,
                                   const VgpuConfig *config, VgpuHostDone done, gpointer user_data);
void vgpu_host_order_free(VgpuHostOrder *order);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuHostOrder, vgpu_host_order_free)

/* The order cannot be carried out: there is no connection, for @reason. */
void vgpu_host_order_refuse(VgpuHostOrder *order, const char *reason);

/*
 * In the worker thread, while it has a connection: carries @order out, or starts to, and takes it
 * over. In the end it is posted.
 */
void vgpu_host_order_execute(VgpuHostOrder *order, VgpuHostLook *look);

/*
 * For VgpuHostLook: where SET_ELEMENT is carried out, one after the other, with connections of its
 * own. libvirt lets a change wait for what else goes on with the domain, 30 s when its monitor is
 * stuck (QEMU_JOB_WAIT_TIME in libvirt's src/qemu/qemu_domainjob.c).
 */
GThreadPool *vgpu_host_order_pool_new(void);
