/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shows what this VM's virtual GPU is. */
#include <stdio.h>
#include <sysexits.h>

#include "json.h"
#include "options.h"
#include "vgpu-names.h"
#include "vgpu.h"

static const char *backend_name(uint32_t backend)
{
    static const char *const names[] = {"null", "OpenCL", "CUDA"};

    return backend < sizeof(names) / sizeof(names[0]) ? names[backend] : "unknown";
}

/* A size that people read; 0 is "none given". */
static void print_size(const char *name, uint64_t bytes)
{
    if (bytes == 0)
        return;
    if (bytes >= 10ull << 30)
        printf("%-18s %.1f GiB\n", name, (double)bytes / (1 << 30));
    else if (bytes >= 1u << 20)
        printf("%-18s %.1f MiB\n", name, (double)bytes / (1 << 20));
    else if (bytes >= 1u << 10)
        printf("%-18s %.1f KiB\n", name, (double)bytes / (1 << 10));
    else
        printf("%-18s %llu bytes\n", name, (unsigned long long)bytes);
}

static void print_line(const char *name, const char *text)
{
    if (text[0] != '\0')
        printf("%-18s %s\n", name, text);
}

static void print_context(const VgpuContextInfo *context)
{
    printf("%-18s %s\n", "device", context->device);
    printf("%-18s %u.%u, %s\n", "protocol", context->protocol >> 16, context->protocol & 0xffff,
           context->transport == VGPU_TRANSPORT_QUEUE ? "queues" : "registers");
    printf("%-18s %c\n", "pool",
           context->pool >= 'A' && context->pool <= 'Z' ? (int)context->pool : '?');
    printf("%-18s %s\n", "priority", vgpu_priority_name(context->priority));
    printf("%-18s %u\n", "number of this VM", context->vm_id);
    if (context->transport == VGPU_TRANSPORT_QUEUE) {
        printf("%-18s %u\n", "queue", context->queue);
        print_size("shared memory", context->slot_size);
    }
}

static void print_device(const VgpuDeviceInfo *device)
{
    printf("\n%-18s %s\n", "backend", backend_name(device->backend));
    print_line("name", device->name);
    print_line("vendor", device->vendor);
    print_line("version", device->version);
    print_line("driver", device->driver);
    printf("%-18s %u\n", "compute units", device->compute_units);
    if (device->clock_mhz != 0)
        printf("%-18s %u MHz\n", "clock", device->clock_mhz);
    print_size("memory", device->memory);
    print_size("local memory", device->local_memory);
    print_size("largest buffer", device->max_buffer);
    print_size("memory limit", device->quota_memory);
    if (device->max_group != 0)
        printf("%-18s %llu (%llu x %llu x %llu)\n", "items of a group",
               (unsigned long long)device->max_group, (unsigned long long)device->max_item[0],
               (unsigned long long)device->max_item[1], (unsigned long long)device->max_item[2]);
    if (device->programs != 0)
        printf("%-18s%s%s%s\n", "programs", device->programs & 1 ? " source" : "",
               device->programs & 2 ? " SPIR-V" : "", device->programs & 4 ? " binary" : "");
    print_line("extensions", device->extensions);
}

static void print_json(const VgpuContextInfo *context, const VgpuDeviceInfo *device)
{
    const char pool[2] = {(char)context->pool, '\0'};

    json_text("{", "device", context->device);
    json_text(",", "transport",
              context->transport == VGPU_TRANSPORT_QUEUE ? "queues" : "registers");
    json_number(",", "protocol_major", context->protocol >> 16);
    json_number(",", "protocol_minor", context->protocol & 0xffff);
    json_text(",", "pool", pool);
    json_text(",", "priority", vgpu_priority_name(context->priority));
    json_number(",", "vm_id", context->vm_id);
    json_number(",", "queue", context->queue);
    json_number(",", "slot_size", context->slot_size);
    json_text(",", "backend", backend_name(device->backend));
    json_text(",", "name", device->name);
    json_text(",", "vendor", device->vendor);
    json_text(",", "version", device->version);
    json_text(",", "driver", device->driver);
    json_number(",", "compute_units", device->compute_units);
    json_number(",", "clock_mhz", device->clock_mhz);
    json_number(",", "memory", device->memory);
    json_number(",", "local_memory", device->local_memory);
    json_number(",", "max_buffer", device->max_buffer);
    json_number(",", "quota_memory", device->quota_memory);
    json_number(",", "max_group", device->max_group);
    for (int i = 0; i < 3; i++)
        printf("%s%llu", i == 0 ? ",\"max_item\":[" : ",", (unsigned long long)device->max_item[i]);
    json_number("],", "programs", device->programs);
    json_text(",", "extensions", device->extensions);
    puts("}");
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    bool json = false;
    const struct option_entry options[] = {
        {.name = "device",
         .argument = "DEVICE",
         .help = "/dev/vgpuN, its number, or \"registers\" (default: any)",
         .text = &path},
        {.name = "json", .help = "print one JSON object", .flag = &json},
        {NULL},
    };
    VgpuContext *context;
    const VgpuDeviceInfo *device;

    if (options_parse(argc, argv, "[OPTION...]",
                      "Shows what this VM's virtual GPU is and how it is reached.", options) < argc)
        options_mistake("takes no operands");
    int code = vgpu_open(&context, path);
    if (code == VGPU_OK)
        code = vgpu_device_info(context, &device);
    if (code != VGPU_OK) {
        fprintf(stderr, "vgpu-info: %s\n", vgpu_last_error());
        vgpu_close(context);
        return EX_UNAVAILABLE;
    }
    if (json) {
        print_json(vgpu_context_info(context), device);
    } else {
        print_context(vgpu_context_info(context));
        print_device(device);
    }
    vgpu_close(context);
    return EX_OK;
}
