/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the qtest of vgpu-stub. */
#ifndef TESTS_VGPU_STUB_TEST_H
#define TESTS_VGPU_STUB_TEST_H

/* vgpu-stub-test-link.c: both sockets, and what a request meets on its way. */
void vgpu_add_link_tests(void);

/* vgpu-stub-test-host.c: what the host does to the device: reset, unplug, stop, migrate. */
void vgpu_add_host_tests(void);

/* vgpu-stub-test-queues.c: protocol 2: memory, doorbells, vectors, generations. */
void vgpu_add_queue_tests(void);

/* vgpu-stub-test-kvm.c: a guest that runs, under KVM. */
void vgpu_add_kvm_tests(void);

/* vgpu-stub-test-hostile.c: what nobody should do. */
void vgpu_add_hostile_tests(void);

#endif
