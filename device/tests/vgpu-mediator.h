/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's side of the link for the qtest of vgpu-stub: mediator and worker in one, without a
 * thread. Each function that waits gives up, and fails the test, after VGPU_TEST_PATIENCE_S.
 */
#ifndef TESTS_VGPU_MEDIATOR_H
#define TESTS_VGPU_MEDIATOR_H

#include "hw/vgpu/vgpu-codec.h"

#define VGPU_TEST_PATIENCE_S 20

typedef struct VgpuMediator {
    char *directory;
    char *path; /* of the listening socket */
    int listener;
    int control; /* -1: no connection */
    int worker;  /* the worker's end of the channel; -1: none */

    bool has_queues; /* whether the device is expected to; it is unless a test says otherwise */

    /* What the device greeted with last. */
    struct vgpu_link_hello hello;
    int memory; /* BAR2's; -1: none */
    int doorbell[VGPU_QUEUE_MAX];
    int completion[VGPU_QUEUE_MAX];
} VgpuMediator;

/* One request as the worker gets it. */
typedef struct VgpuTestRequest {
    struct vgpu_channel_header header;
    uint8_t body[VGPU_BUFFER_SIZE];
} VgpuTestRequest;

VgpuMediator *vgpu_mediator_new(void);
void vgpu_mediator_free(VgpuMediator *m);

/* Waits for a connection, its HELLO and its queues; @hello may be NULL. */
void vgpu_mediator_accept(VgpuMediator *m, struct vgpu_link_hello *hello);

/* Sends STATE: pool B, priority high, and the rest as given. */
void vgpu_mediator_send_state(VgpuMediator *m, uint32_t vm_id, uint32_t error, uint32_t timeout_ms);

/* Sends CHANNEL; the worker that was there before loses its end. */
void vgpu_mediator_send_channel(VgpuMediator *m);

/* Sends bytes on the control link, with a descriptor unless @fd is -1. */
void vgpu_mediator_send(VgpuMediator *m, const void *bytes, size_t length, int fd);

void vgpu_mediator_send_refuse(VgpuMediator *m, const char *text);

/* Closes the control connection, as a mediator that dies. */
void vgpu_mediator_hang_up(VgpuMediator *m);

/* Waits until the device closes the control connection. */
void vgpu_mediator_expect_hang_up(VgpuMediator *m);

/* How many descriptors QEMU, the peer of the control link, has open. */
unsigned vgpu_mediator_count_descriptors(VgpuMediator *m);

/* Waits until it has so many: memory is given back in the background. */
void vgpu_mediator_expect_descriptors(VgpuMediator *m, unsigned count);

/* Closes the worker's end, as a worker that dies. */
void vgpu_worker_die(VgpuMediator *m);

/* Waits until the device closes the channel. */
void vgpu_worker_expect_close(VgpuMediator *m);

/* Waits for a request. */
void vgpu_worker_receive(VgpuMediator *m, VgpuTestRequest *request);

/* Says that the worker is ready for its queues. */
void vgpu_worker_ready(VgpuMediator *m);

/* Says that the request of that number waits for its turn. */
void vgpu_worker_waits(VgpuMediator *m, uint64_t sequence);

/* Answers with @error and @length bytes of @body. */
void vgpu_worker_respond(VgpuMediator *m, uint64_t sequence, uint32_t error, const void *body,
                         size_t length);

#endif
