/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this library share. */
#ifndef VGPU_PCI_PRIVATE_H
#define VGPU_PCI_PRIVATE_H

#include "vgpu-pci.h"

/* Writes the text into pci->error. Returns @code, so that a caller can fail in one line. */
__attribute__((format(printf, 3, 4))) int vgpu_pci_fail(VgpuPci *pci, int code, const char *format,
                                                        ...);

#endif
