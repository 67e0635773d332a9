/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The link's half of the codec: control messages and channel packets. */
#include "vgpu-codec.h"
#include "vgpu-bytes.h"
#include "vgpu-hash.h"

#include <string.h>

int vgpu_link_frame_length(const void *bytes, size_t length)
{
    const uint8_t *p = bytes;

    if (length >= 4 && vgpu_get32(p) != VGPU_LINK_MAGIC)
        return -1;
    if (length < sizeof(struct vgpu_link_header))
        return 0;

    uint32_t payload = vgpu_get32(p + 8);
    if (payload > VGPU_LINK_MAX_PAYLOAD || vgpu_get32(p + 12) != 0)
        return -1;
    return (int)(sizeof(struct vgpu_link_header) + payload);
}

static bool valid_identity(uint32_t pool, uint32_t priority)
{
    return pool >= 'A' && pool <= 'Z' && priority <= VGPU_PRIORITY_HIGH;
}

static bool valid_queues(const struct vgpu_link_hello *hello)
{
    if ((hello->capabilities & VGPU_CAP_QUEUES) == 0)
        return hello->queues == 0 && hello->shm_size == 0;
    return vgpu_queue_shm_fits(hello->shm_size, hello->queues);
}

static bool decode_hello(const uint8_t *p, size_t length, struct vgpu_link_hello *hello)
{
    memset(hello, 0, sizeof(*hello));
    if (length < 4)
        return false;
    hello->link_version = vgpu_get32(p);
    /* Another version's may be of any length: it is read so far, so that its device can be told. */
    if (hello->link_version != VGPU_LINK_VERSION)
        return true;
    if (length != sizeof(*hello))
        return false;

    hello->protocol_version = vgpu_get32(p + 4);
    hello->capabilities = vgpu_get32(p + 8);
    hello->pool = vgpu_get32(p + 12);
    hello->priority = vgpu_get32(p + 16);
    hello->vm_id = vgpu_get32(p + 20);
    hello->queues = vgpu_get32(p + 24);
    hello->reserved = vgpu_get32(p + 28);
    hello->shm_size = vgpu_get64(p + 32);
    hello->protocol_hash = vgpu_get64(p + 40);
    /* So may another protocol's, in what its words mean. */
    return hello->protocol_hash != VGPU_PROTOCOL_HASH ||
           (valid_identity(hello->pool, hello->priority) && valid_queues(hello) &&
            hello->reserved == 0);
}

static bool decode_queue(const uint8_t *p, size_t length, struct vgpu_link_queue *queue)
{
    if (length != sizeof(*queue))
        return false;

    queue->index = vgpu_get32(p);
    queue->reserved = vgpu_get32(p + 4);
    return queue->index < VGPU_QUEUE_MAX && queue->reserved == 0;
}

static bool decode_state(const uint8_t *p, size_t length, struct vgpu_link_state *state)
{
    if (length != sizeof(*state))
        return false;

    memset(state, 0, sizeof(*state));
    state->pool = vgpu_get32(p);
    state->priority = vgpu_get32(p + 4);
    state->vm_id = vgpu_get32(p + 8);
    state->error = vgpu_get32(p + 12);
    state->timeout_ms = vgpu_get32(p + 16);
    return valid_identity(state->pool, state->priority) && state->error < VGPU_ERROR_COUNT &&
           state->timeout_ms >= 1 && state->timeout_ms <= VGPU_LINK_MAX_TIMEOUT_MS &&
           vgpu_get32(p + 20) == 0 && vgpu_get32(p + 24) == 0 && vgpu_get32(p + 28) == 0;
}

static bool decode_refuse(const uint8_t *p, size_t length, struct vgpu_link_message *message)
{
    for (size_t i = 0; i < length; i++)
        message->refuse.text[i] = p[i] < 0x20 || p[i] == 0x7f ? '?' : (char)p[i];
    message->refuse.text[length] = '\0';
    message->refuse.length = length;
    return length > 0;
}

bool vgpu_link_decode(const void *bytes, size_t length, struct vgpu_link_message *message)
{
    const uint8_t *p = bytes;
    const size_t header = sizeof(struct vgpu_link_header);

    int frame = vgpu_link_frame_length(bytes, length);
    if (frame <= 0 || (size_t)frame != length)
        return false;

    message->type = (enum vgpu_link_type)vgpu_get32(p + 4);
    switch (message->type) {
    case VGPU_LINK_HELLO:
        return decode_hello(p + header, length - header, &message->hello);
    case VGPU_LINK_STATE:
        return decode_state(p + header, length - header, &message->state);
    case VGPU_LINK_CHANNEL:
        return length == header;
    case VGPU_LINK_REFUSE:
        return decode_refuse(p + header, length - header, message);
    case VGPU_LINK_QUEUE:
        return decode_queue(p + header, length - header, &message->queue);
    }
    return false;
}

static void encode_hello(const struct vgpu_link_hello *hello, uint8_t *p)
{
    vgpu_put32(p, hello->link_version);
    vgpu_put32(p + 4, hello->protocol_version);
    vgpu_put32(p + 8, hello->capabilities);
    vgpu_put32(p + 12, hello->pool);
    vgpu_put32(p + 16, hello->priority);
    vgpu_put32(p + 20, hello->vm_id);
    vgpu_put32(p + 24, hello->queues);
    vgpu_put32(p + 28, hello->reserved);
    vgpu_put64(p + 32, hello->shm_size);
    vgpu_put64(p + 40, hello->protocol_hash);
}

static void encode_queue(const struct vgpu_link_queue *queue, uint8_t *p)
{
    vgpu_put32(p, queue->index);
    vgpu_put32(p + 4, queue->reserved);
}

static void encode_state(const struct vgpu_link_state *state, uint8_t *p)
{
    vgpu_put32(p, state->pool);
    vgpu_put32(p + 4, state->priority);
    vgpu_put32(p + 8, state->vm_id);
    vgpu_put32(p + 12, state->error);
    vgpu_put32(p + 16, state->timeout_ms);
    vgpu_put32(p + 20, 0);
    vgpu_put64(p + 24, 0);
}

size_t vgpu_link_encode(const struct vgpu_link_message *message, void *bytes, size_t size)
{
    uint8_t *p = bytes;
    const size_t header = sizeof(struct vgpu_link_header);
    size_t payload = 0;

    switch (message->type) {
    case VGPU_LINK_HELLO:
        payload = sizeof(message->hello);
        break;
    case VGPU_LINK_STATE:
        payload = sizeof(message->state);
        break;
    case VGPU_LINK_CHANNEL:
        break;
    case VGPU_LINK_REFUSE:
        payload = message->refuse.length;
        break;
    case VGPU_LINK_QUEUE:
        payload = sizeof(message->queue);
        break;
    }
    if (payload > VGPU_LINK_MAX_PAYLOAD || header + payload > size)
        return 0;

    vgpu_put32(p, VGPU_LINK_MAGIC);
    vgpu_put32(p + 4, message->type);
    vgpu_put32(p + 8, (uint32_t)payload);
    vgpu_put32(p + 12, 0);
    if (message->type == VGPU_LINK_HELLO)
        encode_hello(&message->hello, p + header);
    else if (message->type == VGPU_LINK_STATE)
        encode_state(&message->state, p + header);
    else if (message->type == VGPU_LINK_REFUSE)
        memcpy(p + header, message->refuse.text, payload);
    else if (message->type == VGPU_LINK_QUEUE)
        encode_queue(&message->queue, p + header);
    return header + payload;
}

bool vgpu_channel_decode(const void *bytes, size_t length, struct vgpu_channel_header *header)
{
    const uint8_t *p = bytes;

    if (length < sizeof(*header) || length > VGPU_CHANNEL_MAX_PACKET)
        return false;

    header->type = vgpu_get32(p);
    header->length = vgpu_get32(p + 4);
    header->sequence = vgpu_get64(p + 8);
    header->request_id = vgpu_get32(p + 16);
    header->error = vgpu_get32(p + 20);
    if (header->length != length - sizeof(*header))
        return false;

    switch (header->type) {
    case VGPU_CHANNEL_REQUEST:
        return header->length > 0 && header->error == 0;
    case VGPU_CHANNEL_RESPONSE:
        return header->error < VGPU_ERROR_COUNT;
    case VGPU_CHANNEL_READY:
        return header->length == 0 && header->sequence == 0 && header->request_id == 0 &&
               header->error == 0;
    case VGPU_CHANNEL_WAITS:
        return header->length == 0 && header->request_id == 0 && header->error == 0;
    default:
        return false;
    }
}

void vgpu_channel_encode(const struct vgpu_channel_header *header, void *bytes)
{
    uint8_t *p = bytes;

    vgpu_put32(p, header->type);
    vgpu_put32(p + 4, header->length);
    vgpu_put64(p + 8, header->sequence);
    vgpu_put32(p + 16, header->request_id);
    vgpu_put32(p + 20, header->error);
}
