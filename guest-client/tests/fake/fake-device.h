/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fake vgpu-stub for tests: a BAR0 in ordinary memory, and a thread that answers requests.
 *
 * Memory cannot notice a write, so two things differ from the device: fake_device_arm() must come
 * before each request (it makes STATUS busy, which the device does at the doorbell), and nothing is
 * read-only.
 */
#ifndef FAKE_DEVICE_H
#define FAKE_DEVICE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>

#include "vgpu-pci.h"

#define FAKE_DEVICE_NAME "fake device"

struct fake_device {
    uint8_t bar[VGPU_BAR0_SIZE] __attribute__((aligned(4096)));
    pthread_t thread;
    sem_t armed, answer; /* posted for each request; for one whose answer was held back */
    bool hold, stop;
    uint32_t status; /* how the armed request ends; BUSY: decided by the request */
    uint32_t error;  /* for STATUS_ERROR */
};

/* Starts the thread and makes @pci use this BAR. */
void fake_device_start(struct fake_device *fake, VgpuPci *pci);
void fake_device_stop(struct fake_device *fake);

/* Makes the fake ready for one request, which it carries out. */
void fake_device_arm(struct fake_device *fake);

/* The same, but the request ends with this STATUS and ERROR_CODE. */
void fake_device_arm_with(struct fake_device *fake, uint32_t status, uint32_t error);

/* The same as fake_device_arm(), but the request stays live until fake_device_release(). */
void fake_device_arm_held(struct fake_device *fake);
void fake_device_release(struct fake_device *fake);

/* Changes a register or a word of a buffer directly. */
void fake_device_poke(struct fake_device *fake, uint32_t offset, uint32_t value);
uint32_t fake_device_peek(const struct fake_device *fake, uint32_t offset);

#endif
