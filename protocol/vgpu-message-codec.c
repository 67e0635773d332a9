/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-codec.h"
#include "vgpu-bytes.h"

#include <string.h>

/*
 * The layout that requests and responses share: @words 32-bit words behind the header, then data
 * between the words' end and @length. Without data the offset means nothing, but it must still lie
 * inside: a wild one is a broken header.
 */
static bool body_fits(size_t length, uint32_t words, uint32_t data_offset, uint32_t data_length)
{
    if (words > VGPU_MAX_WORDS || length < VGPU_HEADER_SIZE + 4 * (size_t)words ||
        data_offset > length)
        return false;
    if (data_length == 0)
        return true;
    return data_offset >= VGPU_HEADER_SIZE + 4 * words && data_length <= length - data_offset;
}

static void get_words(const uint8_t *p, uint32_t count, uint32_t *words)
{
    for (uint32_t i = 0; i < count; i++)
        words[i] = vgpu_get32(p + 4 * (size_t)i);
}

/* Writes words and data behind the header. Returns the whole length, or 0. */
static size_t put_body(uint8_t *p, size_t size, const uint32_t *words, uint32_t count,
                       const uint8_t *data, uint32_t data_length)
{
    if (count > VGPU_MAX_WORDS || data_length > VGPU_BUFFER_SIZE)
        return 0;

    size_t offset = VGPU_HEADER_SIZE + 4 * (size_t)count;
    if (offset + data_length > size || offset + data_length > VGPU_BUFFER_SIZE)
        return 0;

    for (uint32_t i = 0; i < count; i++)
        vgpu_put32(p + VGPU_HEADER_SIZE + 4 * (size_t)i, words[i]);
    if (data_length > 0)
        memcpy(p + offset, data, data_length);
    return offset + data_length;
}

enum vgpu_error vgpu_request_decode(const void *bytes, size_t length, struct vgpu_request *request)
{
    const uint8_t *p = bytes;

    if (length == 0)
        return VGPU_ERROR_INVALID_LENGTH;
    if (length > VGPU_BUFFER_SIZE)
        return VGPU_ERROR_REQUEST_TOO_LARGE;
    if (length < VGPU_HEADER_SIZE)
        return VGPU_ERROR_INVALID_REQUEST;

    uint32_t version = vgpu_get32(p);
    uint32_t flags = vgpu_get32(p + 8);
    uint32_t param_count = vgpu_get32(p + 12);
    uint32_t data_offset = vgpu_get32(p + 16);
    uint32_t data_length = vgpu_get32(p + 20);

    if (version != VGPU_PROTOCOL_VERSION || flags != 0 || vgpu_get32(p + 24) != 0 ||
        vgpu_get32(p + 28) != 0)
        return VGPU_ERROR_INVALID_REQUEST;
    if (!body_fits(length, param_count, data_offset, data_length))
        return VGPU_ERROR_INVALID_REQUEST;

    request->opcode = vgpu_get32(p + 4);
    request->param_count = param_count;
    get_words(p + VGPU_HEADER_SIZE, param_count, request->params);
    request->data = data_length > 0 ? p + data_offset : NULL;
    request->data_length = data_length;
    return VGPU_ERROR_NONE;
}

size_t vgpu_request_encode(const struct vgpu_request *request, void *bytes, size_t size)
{
    uint8_t *p = bytes;
    size_t length = put_body(p, size, request->params, request->param_count, request->data,
                             request->data_length);
    if (length == 0)
        return 0;

    vgpu_put32(p, VGPU_PROTOCOL_VERSION);
    vgpu_put32(p + 4, request->opcode);
    vgpu_put32(p + 8, 0);
    vgpu_put32(p + 12, request->param_count);
    vgpu_put32(p + 16, request->data_length > 0 ? (uint32_t)length - request->data_length : 0);
    vgpu_put32(p + 20, request->data_length);
    vgpu_put64(p + 24, 0);
    return length;
}

bool vgpu_response_decode(const void *bytes, size_t length, struct vgpu_response *response)
{
    const uint8_t *p = bytes;

    if (length < VGPU_HEADER_SIZE || length > VGPU_BUFFER_SIZE ||
        vgpu_get32(p) != VGPU_PROTOCOL_VERSION)
        return false;

    uint32_t result_count = vgpu_get32(p + 8);
    uint32_t data_offset = vgpu_get32(p + 12);
    uint32_t data_length = vgpu_get32(p + 16);
    if (!body_fits(length, result_count, data_offset, data_length))
        return false;

    response->status = vgpu_get32(p + 4);
    response->result_count = result_count;
    get_words(p + VGPU_HEADER_SIZE, result_count, response->results);
    response->data = data_length > 0 ? p + data_offset : NULL;
    response->data_length = data_length;
    response->exec_time_us = vgpu_get32(p + 20);
    return true;
}

size_t vgpu_response_encode(const struct vgpu_response *response, void *bytes, size_t size)
{
    uint8_t *p = bytes;
    size_t length = put_body(p, size, response->results, response->result_count, response->data,
                             response->data_length);
    if (length == 0)
        return 0;

    vgpu_put32(p, VGPU_PROTOCOL_VERSION);
    vgpu_put32(p + 4, response->status);
    vgpu_put32(p + 8, response->result_count);
    vgpu_put32(p + 12, response->data_length > 0 ? (uint32_t)length - response->data_length : 0);
    vgpu_put32(p + 16, response->data_length);
    vgpu_put32(p + 20, response->exec_time_us);
    vgpu_put64(p + 24, 0);
    return length;
}
