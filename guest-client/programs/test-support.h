/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest's test programs share. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include "tap.h"
#include "vgpu-pci.h"

/* Starts TAP on stdout and opens the device; ends the program when that fails. */
void test_open(VgpuPci *pci, const char *device);

/* The command line of a test without options of its own, then test_open(). */
void test_begin(VgpuPci *pci, int argc, char **argv, const char *about);

/* Ends the program unless the host answers a NOP. */
void test_need_mediator(VgpuPci *pci);

/*
 * Puts @size bytes (a multiple of 4) into REQUEST_BUFFER, submits them with @length in REQUEST_LEN
 * and waits. Returns as vgpu_pci_wait().
 */
int test_send(VgpuPci *pci, const void *bytes, size_t size, uint32_t length);

/* Writes a vector add into @bytes (VGPU_BUFFER_SIZE). Returns its length. */
uint32_t test_put_add(uint8_t *bytes, uint32_t a, uint32_t b);

/* One vector add. False, with a note, unless the sum is right. */
bool test_sum(VgpuPci *pci, uint32_t a, uint32_t b);

/* The same with numbers that differ each time. */
bool test_good_request(VgpuPci *pci);

#endif
