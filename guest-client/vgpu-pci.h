/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vgpu-stub from a guest program, through BAR0 alone: protocol 1.0 without a driver.
 *
 * BAR0 comes from sysfs (/sys/bus/pci/devices/ADDRESS/resource0), which takes root. Only libc is
 * needed, so that static programs run in an initramfs. Nothing stays allocated.
 *
 * Each function that can fail returns 0 for success, a negative errno for what went wrong in the
 * guest (-ENODEV, -EACCES, -ETIMEDOUT, ...), or a positive enum vgpu_error that the device answered
 * with. VgpuPci.error then says in words what happened and, where something can be done, what.
 *
 * A VgpuPci belongs to one thread at a time; the device takes one request at a time.
 */
#ifndef VGPU_PCI_H
#define VGPU_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgpu-codec.h"

/* How long a call waits by default, milliseconds. The host ends every request before that. */
#define VGPU_PCI_TIMEOUT_MS 10000u

typedef struct VgpuPci {
    volatile uint8_t *bar;   /* VGPU_BAR0_SIZE bytes of registers and buffers */
    char path[128];          /* the device's folder in sysfs; "" after vgpu_pci_init() */
    unsigned int timeout_ms; /* how long calls wait; set it as you like */
    char error[256];         /* the last failure in words */
    /* private */
    int fd; /* resource0, locked; -1 without */
    uint32_t next_id;
    bool pending; /* the device may still be busy with an earlier request */
} VgpuPci;

enum VgpuPciMode {
    VGPU_PCI_USE,     /* read and write; -EBUSY while another program has the device in use */
    VGPU_PCI_OBSERVE, /* read registers only, at any time; a write ends the program (SIGSEGV) */
};

/*
 * Opens the device that @device names: its folder in sysfs, its PCI address ("0000:01:00.0"), or
 * its number among the vgpu-stub devices in the order of their addresses ("0"). NULL means "0".
 * Memory decoding is switched on if it is off. Close with vgpu_pci_close(), also after a failure.
 */
int vgpu_pci_open(VgpuPci *pci, const char *device, enum VgpuPciMode mode);

/* The same with another folder than /sys/bus/pci/devices. */
int vgpu_pci_open_in(VgpuPci *pci, const char *devices, const char *device, enum VgpuPciMode mode);

/* Takes a BAR0 that the caller has mapped, and keeps mapped, by another way. Cannot fail. */
void vgpu_pci_init(VgpuPci *pci, volatile void *bar);

/* Unmaps what vgpu_pci_open() mapped. */
void vgpu_pci_close(VgpuPci *pci);

/* The device's PCI address for messages; points into @pci. */
const char *vgpu_pci_address(const VgpuPci *pci);

/* One register, VGPU_REG_*. @offset is a multiple of 4 inside BAR0. */
uint32_t vgpu_pci_read32(const VgpuPci *pci, uint32_t offset);
void vgpu_pci_write32(VgpuPci *pci, uint32_t offset, uint32_t value);

/* When the last request ended: microseconds on the VM's clock, 0 without a request since reset. */
uint64_t vgpu_pci_timestamp(const VgpuPci *pci);

/*
 * Copies @length bytes from or to BAR0 with accesses of @access bytes: 1, 2, 4 or 8. @offset and
 * @length are multiples of @access inside BAR0; -EINVAL otherwise. Bytes keep their order.
 */
int vgpu_pci_read(VgpuPci *pci, uint32_t offset, void *bytes, size_t length, unsigned int access);
int vgpu_pci_write(VgpuPci *pci, uint32_t offset, const void *bytes, size_t length,
                   unsigned int access);

/*
 * Puts the @length bytes into REQUEST_BUFFER and rings the doorbell. Does not wait.
 * -EMSGSIZE: more than the buffer holds; -EBUSY: an earlier request has timed out here and is still
 * live in the device (vgpu_pci_wait() waits for its end).
 */
int vgpu_pci_submit(VgpuPci *pci, const void *bytes, size_t length);

/* Rings the doorbell for what lies in REQUEST_BUFFER. @length goes to REQUEST_LEN unchecked. */
int vgpu_pci_ring(VgpuPci *pci, uint32_t length);

/*
 * Waits until the request has ended: polls for 50 us, then sleeps in between, so that a long wait
 * costs next to no CPU. -ETIMEDOUT: still live after @timeout_ms; -ECANCELED: the device was reset;
 * -ENODEV: it does not answer any more.
 */
int vgpu_pci_wait(VgpuPci *pci, unsigned int timeout_ms);

typedef struct VgpuPciResponse {
    uint8_t bytes[VGPU_BUFFER_SIZE];
    size_t length;                /* bytes, as RESPONSE_LEN says */
    struct vgpu_response message; /* decoded; its data points into bytes */
} VgpuPciResponse;

/* Reads and decodes what lies in RESPONSE_BUFFER. -EPROTO: it is not a response. */
int vgpu_pci_read_response(VgpuPci *pci, VgpuPciResponse *response);

/* One whole request, waiting for up to pci->timeout_ms. @response is filled on success only. */
int vgpu_pci_call(VgpuPci *pci, const struct vgpu_request *request, VgpuPciResponse *response);

/* No operation: the way there and back. */
int vgpu_pci_nop(VgpuPci *pci);

/* @sum = (@a + @b) modulo 2^32, computed by the host's GPU. */
int vgpu_pci_vector_add(VgpuPci *pci, uint32_t a, uint32_t b, uint32_t *sum);

typedef struct VgpuPciDeviceInfo {
    char name[VGPU_DEVICE_NAME_MAX + 1]; /* UTF-8 */
    uint32_t compute_units;
    uint32_t clock_mhz;  /* 0: unknown */
    uint32_t memory_mib; /* global memory */
    uint32_t backend;    /* enum vgpu_backend_kind */
} VgpuPciDeviceInfo;

/* What computes on the host. */
int vgpu_pci_device_info(VgpuPci *pci, VgpuPciDeviceInfo *info);

#endif
