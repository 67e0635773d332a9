/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All decoders on any bytes. What is accepted must lie inside the bytes, and must be the same after
 * it has been encoded and decoded again.
 */
#include <stdlib.h>
#include <string.h>

#include "vgpu-codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool is_inside(const uint8_t *data, uint32_t length, const uint8_t *bytes, size_t size)
{
    return length == 0 ? data == NULL
                       : data >= bytes && length <= size && data <= bytes + size - length;
}

static void try_request(const uint8_t *bytes, size_t size)
{
    struct vgpu_request got, again;
    uint8_t encoded[VGPU_BUFFER_SIZE];

    if (vgpu_request_decode(bytes, size, &got) != VGPU_ERROR_NONE)
        return;
    require(is_inside(got.data, got.data_length, bytes, size));
    size_t length = vgpu_request_encode(&got, encoded, sizeof(encoded));
    require(length > 0 && length <= size);
    require(vgpu_request_decode(encoded, length, &again) == VGPU_ERROR_NONE);
    require(again.opcode == got.opcode && again.param_count == got.param_count &&
            again.data_length == got.data_length);
    require(memcmp(again.params, got.params, 4 * (size_t)got.param_count) == 0);
    require(got.data_length == 0 || memcmp(again.data, got.data, got.data_length) == 0);
}

static void try_response(const uint8_t *bytes, size_t size)
{
    struct vgpu_response got, again;
    uint8_t encoded[VGPU_BUFFER_SIZE];

    if (!vgpu_response_decode(bytes, size, &got))
        return;
    require(is_inside(got.data, got.data_length, bytes, size));
    size_t length = vgpu_response_encode(&got, encoded, sizeof(encoded));
    require(length > 0 && length <= size);
    require(vgpu_response_decode(encoded, length, &again));
    require(again.status == got.status && again.result_count == got.result_count &&
            again.exec_time_us == got.exec_time_us && again.data_length == got.data_length);
    require(memcmp(again.results, got.results, 4 * (size_t)got.result_count) == 0);
    require(got.data_length == 0 || memcmp(again.data, got.data, got.data_length) == 0);
}

static void try_link(const uint8_t *bytes, size_t size)
{
    struct vgpu_link_message got, again;
    uint8_t encoded[VGPU_LINK_MAX_MESSAGE], twice[VGPU_LINK_MAX_MESSAGE];
    int frame = vgpu_link_frame_length(bytes, size);

    require(frame >= -1 && frame <= (int)VGPU_LINK_MAX_MESSAGE);
    if (!vgpu_link_decode(bytes, size, &got))
        return;
    require(frame == (int)size);
    size_t length = vgpu_link_encode(&got, encoded, sizeof(encoded));
    /* A HELLO of another version may be of any length: only that version is kept. */
    require(length == size ||
            (got.type == VGPU_LINK_HELLO && got.hello.link_version != VGPU_LINK_VERSION));
    require(vgpu_link_decode(encoded, length, &again) && again.type == got.type);
    require(vgpu_link_encode(&again, twice, sizeof(twice)) == length);
    require(memcmp(encoded, twice, length) == 0);
}

static void try_channel(const uint8_t *bytes, size_t size)
{
    struct vgpu_channel_header got;
    uint8_t encoded[sizeof(got)];

    if (!vgpu_channel_decode(bytes, size, &got))
        return;
    require(got.length == size - sizeof(got) && got.length <= VGPU_BUFFER_SIZE);
    vgpu_channel_encode(&got, encoded);
    require(memcmp(encoded, bytes, sizeof(encoded)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    try_request(bytes, size);
    try_response(bytes, size);
    try_link(bytes, size);
    try_channel(bytes, size);
    return 0;
}
