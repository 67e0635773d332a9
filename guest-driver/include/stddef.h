/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For protocol/'s headers: the kernel has no <stddef.h>, and its own header has offsetof(). */
#include <linux/stddef.h>
