/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Protocol 1.0 requests and responses: the bytes in REQUEST_BUFFER and RESPONSE_BUFFER.
 *
 * All fields are little-endian on the wire. The structs give sizes and offsets; host-order values
 * come from the codec (vgpu-codec.h), the one place where foreign bytes become structs.
 *
 *   request:  header (32 bytes), param_count 32-bit parameters, data
 *   response: header (32 bytes), result_count 32-bit results, data
 */
#ifndef VGPU_MESSAGE_H
#define VGPU_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "vgpu-registers.h"

#define VGPU_HEADER_SIZE 32u
/* What fits in a buffer behind the header, as 32-bit words: (1024 - 32) / 4. */
#define VGPU_MAX_WORDS ((VGPU_BUFFER_SIZE - VGPU_HEADER_SIZE) / 4u)

struct vgpu_request_header {
    uint32_t version;     /* VGPU_PROTOCOL_VERSION */
    uint32_t opcode;      /* enum vgpu_opcode */
    uint32_t flags;       /* 0 */
    uint32_t param_count; /* 32-bit words right behind the header */
    uint32_t data_offset; /* from the start of the request; not before the parameters' end */
    uint32_t data_length; /* bytes; 0: no data */
    uint32_t reserved[2]; /* 0 */
};

struct vgpu_response_header {
    uint32_t version;      /* VGPU_PROTOCOL_VERSION */
    uint32_t status;       /* enum vgpu_error */
    uint32_t result_count; /* 32-bit words right behind the header */
    uint32_t data_offset;  /* from the start of the response; 0 without data */
    uint32_t data_length;  /* bytes */
    uint32_t exec_time_us; /* time on the backend, microseconds, saturating */
    uint32_t reserved[2];  /* 0 */
};

enum vgpu_opcode {
    VGPU_OP_NOP = 0x0000,         /* no effect; parameters and data are ignored */
    VGPU_OP_VECTOR_ADD = 0x0001,  /* two parameters; one result: their sum modulo 2^32 */
    VGPU_OP_MEM_ALLOC = 0x0002,   /* kept for memory allocation: VGPU_ERROR_UNSUPPORTED */
    VGPU_OP_MEM_FREE = 0x0003,    /* kept for memory free: likewise */
    VGPU_OP_MEM_COPY = 0x0004,    /* kept for memory copy: likewise */
    VGPU_OP_DEVICE_INFO = 0x0005, /* results: enum vgpu_device_info; data: name, UTF-8, no NUL */
};

/* Results of VGPU_OP_DEVICE_INFO, by index. A later version may append to them. */
enum vgpu_device_info {
    VGPU_INFO_COMPUTE_UNITS = 0,
    VGPU_INFO_CLOCK_MHZ = 1,  /* 0: unknown */
    VGPU_INFO_MEMORY_MIB = 2, /* global memory, saturating */
    VGPU_INFO_BACKEND = 3,    /* enum vgpu_backend_kind */
    VGPU_INFO_COUNT = 4,
};

enum vgpu_backend_kind {
    VGPU_BACKEND_NULL = 0,
    VGPU_BACKEND_OPENCL = 1,
    VGPU_BACKEND_CUDA = 2,
};

/* Longest device name in a response, bytes. The name is cut there, at a UTF-8 boundary. */
#define VGPU_DEVICE_NAME_MAX 128u

_Static_assert(sizeof(struct vgpu_request_header) == VGPU_HEADER_SIZE, "header size");
_Static_assert(offsetof(struct vgpu_request_header, opcode) == 4, "offset");
_Static_assert(offsetof(struct vgpu_request_header, flags) == 8, "offset");
_Static_assert(offsetof(struct vgpu_request_header, param_count) == 12, "offset");
_Static_assert(offsetof(struct vgpu_request_header, data_offset) == 16, "offset");
_Static_assert(offsetof(struct vgpu_request_header, data_length) == 20, "offset");
_Static_assert(offsetof(struct vgpu_request_header, reserved) == 24, "offset");
_Static_assert(sizeof(struct vgpu_response_header) == VGPU_HEADER_SIZE, "header size");
_Static_assert(offsetof(struct vgpu_response_header, status) == 4, "offset");
_Static_assert(offsetof(struct vgpu_response_header, result_count) == 8, "offset");
_Static_assert(offsetof(struct vgpu_response_header, data_offset) == 12, "offset");
_Static_assert(offsetof(struct vgpu_response_header, data_length) == 16, "offset");
_Static_assert(offsetof(struct vgpu_response_header, exec_time_us) == 20, "offset");
_Static_assert(offsetof(struct vgpu_response_header, reserved) == 24, "offset");

#endif
