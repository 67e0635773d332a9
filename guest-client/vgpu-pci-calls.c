/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole requests: encode, submit, wait, decode. */
#include "vgpu-pci-private.h"

#include <errno.h>
#include <string.h>

int vgpu_pci_call(VgpuPci *pci, const struct vgpu_request *request, VgpuPciResponse *response)
{
    uint8_t bytes[VGPU_BUFFER_SIZE];

    size_t length = vgpu_request_encode(request, bytes, sizeof(bytes));
    if (length == 0)
        return vgpu_pci_fail(pci, -EMSGSIZE, "the request does not fit into %u bytes",
                             VGPU_BUFFER_SIZE);

    int result = vgpu_pci_submit(pci, bytes, length);
    if (result != 0)
        return result;
    result = vgpu_pci_wait(pci, pci->timeout_ms);
    if (result != 0)
        return result;
    return vgpu_pci_read_response(pci, response);
}

/* vgpu_pci_call() for operations that answer with at least @results words. */
static int call_for(VgpuPci *pci, const struct vgpu_request *request, uint32_t results,
                    VgpuPciResponse *response)
{
    int result = vgpu_pci_call(pci, request, response);
    if (result != 0)
        return result;
    if (response->message.result_count < results)
        return vgpu_pci_fail(pci, -EPROTO, "%s: %u results where %u belong",
                             vgpu_opcode_name(request->opcode), response->message.result_count,
                             results);
    return 0;
}

int vgpu_pci_nop(VgpuPci *pci)
{
    const struct vgpu_request request = {.opcode = VGPU_OP_NOP};
    VgpuPciResponse response;

    return call_for(pci, &request, 0, &response);
}

int vgpu_pci_vector_add(VgpuPci *pci, uint32_t a, uint32_t b, uint32_t *sum)
{
    const struct vgpu_request request = {
        .opcode = VGPU_OP_VECTOR_ADD, .param_count = 2, .params = {a, b}};
    VgpuPciResponse response;

    int result = call_for(pci, &request, 1, &response);
    if (result == 0)
        *sum = response.message.results[0];
    return result;
}

int vgpu_pci_device_info(VgpuPci *pci, VgpuPciDeviceInfo *info)
{
    const struct vgpu_request request = {.opcode = VGPU_OP_DEVICE_INFO};
    VgpuPciResponse response;

    int result = call_for(pci, &request, VGPU_INFO_COUNT, &response);
    if (result != 0)
        return result;
    if (response.message.data_length > VGPU_DEVICE_NAME_MAX)
        return vgpu_pci_fail(pci, -EPROTO, "device-info: a name of %u bytes, at most %u belong",
                             response.message.data_length, VGPU_DEVICE_NAME_MAX);

    memset(info, 0, sizeof(*info));
    if (response.message.data_length > 0)
        memcpy(info->name, response.message.data, response.message.data_length);
    info->compute_units = response.message.results[VGPU_INFO_COMPUTE_UNITS];
    info->clock_mhz = response.message.results[VGPU_INFO_CLOCK_MHZ];
    info->memory_mib = response.message.results[VGPU_INFO_MEMORY_MIB];
    info->backend = response.message.results[VGPU_INFO_BACKEND];
    return 0;
}
