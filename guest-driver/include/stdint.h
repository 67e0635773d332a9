/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For protocol/'s headers: the kernel has no <stdint.h>, and its own header has these types. */
#include <linux/types.h>
