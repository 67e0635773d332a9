/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM with the device, and the guest's side of it, for the qtest of vgpu-stub. */
#ifndef TESTS_VGPU_GUEST_H
#define TESTS_VGPU_GUEST_H

#include "libqtest.h"
#include "libqos/pci-pc.h"

#include "vgpu-mediator.h"

#define VGPU_TEST_SLOT 4

typedef struct VgpuGuest {
    QTestState *qts;
    QPCIBus *bus;
    QPCIDevice *device;
    QPCIBar bar;
    uint64_t bar_size;
    VgpuMediator *mediator; /* NULL: the device has no chardev */
} VgpuGuest;

/* Starts a VM whose device has no chardev; @properties is "" or begins with a comma. */
VgpuGuest *vgpu_guest_new(const char *properties);

/* Starts a VM whose device connects to a mediator, which has not accepted it yet. */
VgpuGuest *vgpu_guest_new_linked(void);

/* The same with other properties, which begin with a comma. */
VgpuGuest *vgpu_guest_new_linked_with(const char *properties);

/* As vgpu_guest_new_linked(), with the handshake done, a worker there, and a long timeout. */
VgpuGuest *vgpu_guest_new_served(void);

void vgpu_guest_free(VgpuGuest *g);

/* System reset; afterwards the device is enabled and mapped again. */
void vgpu_guest_reset(VgpuGuest *g);

/* Enables the device and maps BAR0: done by the functions above, needed again after a reset. */
void vgpu_guest_map(VgpuGuest *g);

uint32_t vgpu_guest_read(VgpuGuest *g, uint64_t offset);
void vgpu_guest_write(VgpuGuest *g, uint64_t offset, uint32_t value);

/* Reads @offset until it is @value. */
void vgpu_guest_wait(VgpuGuest *g, uint64_t offset, uint32_t value);

/* Does the handshake and waits until the guest reads @vm_id. */
void vgpu_guest_serve(VgpuGuest *g, uint32_t vm_id, uint32_t error, uint32_t timeout_ms);

/* Puts @length bytes of a pattern that begins with @first into the buffer and rings the doorbell.
 */
void vgpu_guest_submit(VgpuGuest *g, uint8_t first, uint32_t length);

/* Waits for the end of the request and checks that it is @error, with a response that says so. */
void vgpu_guest_expect_error(VgpuGuest *g, uint32_t error);

/* Submits a request, answers it, and checks that it arrives both ways. */
void vgpu_guest_round_trip(VgpuGuest *g, uint8_t first);

/* The reply to a QMP command, which is unreferenced: success, or an error with @error in it. */
void vgpu_guest_expect_reply(QDict *reply, const char *error);

#endif
