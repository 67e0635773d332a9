/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole reads and writes. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* All @length bytes; false at the end of the stream (errno 0) or for an error. */
bool stream_read(int fd, void *bytes, size_t length);
bool stream_write(int fd, const void *bytes, size_t length);

#endif
