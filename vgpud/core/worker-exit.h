/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a vgpu-worker ends, for the one who started it. Anything else, and each death by a signal, is
 * a crash.
 */
#pragma once

typedef enum {
    VGPU_WORKER_EXIT_CLOSED = 0,   /* the other end of the channel is gone: the VM ended */
    VGPU_WORKER_EXIT_FAILURE = 1,  /* could not start: options, page, sandbox; or not go on */
    VGPU_WORKER_EXIT_DEADLINE = 3, /* a request took longer than its deadline; it was answered */
    VGPU_WORKER_EXIT_PACKET = 4,   /* QEMU sent what its device never sends */
    VGPU_WORKER_EXIT_OPEN = 5,     /* opening the device took longer than its deadline */
    VGPU_WORKER_EXIT_INVALID = 6,  /* more invalid requests than the VM may send */
    VGPU_WORKER_EXIT_BACKEND = 7,  /* more requests failed on the device than may */
    VGPU_WORKER_EXIT_LOST = 8,     /* the device is to be opened anew; what failed was answered */
} VgpuWorkerExit;
