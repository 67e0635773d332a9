/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a request to a worker's operations on the null backend: each gets one answer. */
#include <stdlib.h>

#include "operations.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static VgpuBackend *backend;
    struct vgpu_request request;
    struct vgpu_response response = {0}, again;
    const VgpuOperation *operation = NULL;
    uint8_t encoded[VGPU_BUFFER_SIZE];
    guint64 device_ns;

    if (backend == NULL)
        backend = vgpu_backend_open("null", "", NULL);
    response.status = vgpu_operation_check(bytes, size, &request, &operation);
    if (response.status == VGPU_ERROR_NONE)
        response.status =
            vgpu_operation_run(operation, backend, &request, &response, &device_ns, NULL);

    size_t length = vgpu_response_encode(&response, encoded, sizeof(encoded));
    if (length == 0 || !vgpu_response_decode(encoded, length, &again) ||
        response.status >= VGPU_ERROR_COUNT)
        abort();
    if (response.status == VGPU_ERROR_NONE && request.opcode == VGPU_OP_VECTOR_ADD &&
        again.results[0] != request.params[0] + request.params[1])
        abort();
    return 0;
}
