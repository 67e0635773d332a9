/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one place where foreign bytes become structs and back.
 *
 * Each decoder reads from a copy that the caller owns (never from memory that the sender can still
 * change), checks every bound, and writes the result in host byte order. Nothing is allocated; a
 * decoded message points into the caller's copy.
 */
#ifndef VGPU_CODEC_H
#define VGPU_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgpu-link.h"
#include "vgpu-message.h"
#include "vgpu-names.h"

/* A checked request, host byte order. */
struct vgpu_request {
    uint32_t opcode;
    uint32_t param_count;
    uint32_t params[VGPU_MAX_WORDS];
    const uint8_t *data; /* borrowed from the caller's bytes; NULL without data */
    uint32_t data_length;
};

/* A response in the making, or a checked one; host byte order. */
struct vgpu_response {
    uint32_t status; /* enum vgpu_error */
    uint32_t result_count;
    uint32_t results[VGPU_MAX_WORDS];
    const uint8_t *data; /* borrowed; NULL without data */
    uint32_t data_length;
    uint32_t exec_time_us;
};

/*
 * Checks a request of @length bytes and fills @request.
 * Returns VGPU_ERROR_NONE, or what the guest is told: VGPU_ERROR_INVALID_LENGTH for 0 bytes,
 * VGPU_ERROR_REQUEST_TOO_LARGE past VGPU_BUFFER_SIZE, VGPU_ERROR_INVALID_REQUEST for a header or
 * counts that do not fit. The opcode is not judged here. Bytes behind the data are allowed: guests
 * may submit the whole buffer.
 */
enum vgpu_error vgpu_request_decode(const void *bytes, size_t length, struct vgpu_request *request);

/*
 * Writes @request into @bytes. Returns its length in bytes, or 0 when it does not fit into @size or
 * a count is beyond its bound. Data is put right behind the parameters.
 */
size_t vgpu_request_encode(const struct vgpu_request *request, void *bytes, size_t size);

/* Checks a response. Returns false for one that does not fit; @response is then undefined. */
bool vgpu_response_decode(const void *bytes, size_t length, struct vgpu_response *response);

/* Writes @response; as vgpu_request_encode(). */
size_t vgpu_response_encode(const struct vgpu_response *response, void *bytes, size_t size);

/* A control message: what came with the header, host byte order. */
struct vgpu_link_message {
    enum vgpu_link_type type;
    union {
        struct vgpu_link_hello hello;
        struct vgpu_link_state state;
        struct vgpu_link_queue queue;
        struct {
            size_t length;
            char text[VGPU_LINK_REFUSE_TEXT_MAX + 1]; /* NUL-terminated; control characters are
                                                         replaced, so that it is safe to log */
        } refuse;
    };
};

/* Bytes that a control message takes at most. */
#define VGPU_LINK_MAX_MESSAGE (sizeof(struct vgpu_link_header) + VGPU_LINK_MAX_PAYLOAD)

/*
 * Says how long the control message is whose first @length bytes are @bytes.
 * Returns 0 while the header is not complete, the whole message's length in bytes once it is, and
 * -1 for bytes that cannot begin a message.
 */
int vgpu_link_frame_length(const void *bytes, size_t length);

/* Checks one whole control message. Returns false for one that is not well-formed. */
bool vgpu_link_decode(const void *bytes, size_t length, struct vgpu_link_message *message);

/* Writes one whole control message. Returns its length, or 0 when it does not fit into @size. */
size_t vgpu_link_encode(const struct vgpu_link_message *message, void *bytes, size_t size);

/*
 * Checks one channel packet. On success @header is in host byte order and the body lies at
 * bytes + sizeof(struct vgpu_channel_header), header->length bytes.
 */
bool vgpu_channel_decode(const void *bytes, size_t length, struct vgpu_channel_header *header);

/* Writes the header of a packet, little-endian, to @bytes (sizeof(struct vgpu_channel_header)). */
void vgpu_channel_encode(const struct vgpu_channel_header *header, void *bytes);

#endif
