/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "vgpu-queue.h"

#define SAME(a, b) ((int)(a) == (int)(b))
_Static_assert(SAME(VGPU_E_HANDLE, VGPU_RESULT_BAD_HANDLE) &&
                   SAME(VGPU_E_RANGE, VGPU_RESULT_OUT_OF_RANGE) &&
                   SAME(VGPU_E_DEVICE_MEMORY, VGPU_RESULT_OUT_OF_MEMORY) &&
                   SAME(VGPU_E_QUOTA, VGPU_RESULT_QUOTA) &&
                   SAME(VGPU_E_BUILD, VGPU_RESULT_BUILD_FAILED) &&
                   SAME(VGPU_E_NO_KERNEL, VGPU_RESULT_NO_KERNEL) &&
                   SAME(VGPU_E_ARGUMENT, VGPU_RESULT_BAD_ARGUMENT) &&
                   SAME(VGPU_E_LAUNCH, VGPU_RESULT_BAD_LAUNCH) &&
                   SAME(VGPU_E_PROTOCOL, VGPU_RESULT_BAD_QUEUE),
               "the host's answers are passed on as they are");
_Static_assert(SAME(VGPU_E_INVALID, VGPU_ERROR_INVALID_REQUEST) &&
                   SAME(VGPU_E_QUARANTINED, VGPU_ERROR_QUARANTINED),
               "protocol 1.0's, too");

static __thread char last_error[256];

int vgpu_fail(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(last_error, sizeof(last_error), format, args);
    va_end(args);
    return code;
}

const char *vgpu_last_error(void)
{
    return last_error;
}

const char *vgpu_version(void)
{
    return VGPU_VERSION;
}

static const struct {
    int code;
    const char *text;
} texts[] = {
    {VGPU_OK, "no error"},
    {VGPU_E_INVALID, "not allowed"},
    {VGPU_E_TOO_LARGE, "too large"},
    {VGPU_E_UNAVAILABLE, "the host's vgpud is not there, or does not serve this VM"},
    {VGPU_E_TIMEOUT, "took longer than the host allows"},
    {VGPU_E_EXECUTION, "the device or its driver failed"},
    {VGPU_E_POOL, "the host does not have this VM's pool"},
    {VGPU_E_FULL, "too many at once"},
    {VGPU_E_UNSUPPORTED, "not supported here"},
    {VGPU_E_LENGTH, "a request of this length is not allowed"},
    {VGPU_E_RATE_LIMITED, "more calls than this VM may make"},
    {VGPU_E_QUARANTINED, "the host has shut this VM out for its faults"},
    {VGPU_E_HANDLE, "no such object"},
    {VGPU_E_RANGE, "outside the buffer"},
    {VGPU_E_DEVICE_MEMORY, "the device has no memory left"},
    {VGPU_E_QUOTA, "a limit of this VM"},
    {VGPU_E_BUILD, "the program does not build; its log says why"},
    {VGPU_E_NO_KERNEL, "the program has no such kernel, or is not built"},
    {VGPU_E_ARGUMENT, "a wrong argument of a kernel, or not all are set"},
    {VGPU_E_LAUNCH, "sizes that the device or the kernel does not allow"},
    {VGPU_E_PROTOCOL, "the protocol was broken"},
    {VGPU_E_LOST, "the host's worker is gone, and all objects with it"},
    {VGPU_E_NO_DEVICE, "no virtual GPU"},
    {VGPU_E_BUSY, "every queue is in use"},
    {VGPU_E_PERMISSION, "no permission"},
    {VGPU_E_FORKED, "the context is the parent process's"},
    {VGPU_E_MEMORY, "out of memory"},
    {VGPU_E_SYSTEM, "a system call failed"},
    {VGPU_E_AGAIN, "not yet"},
    {VGPU_E_LIMIT, "too many objects or tickets"},
    {VGPU_E_TICKET, "no such ticket"},
};

const char *vgpu_error_text(int code)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].code == code)
            return texts[i].text;
    }
    return "unknown error";
}

int vgpu_code_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
        return VGPU_E_NO_DEVICE;
    case EACCES:
    case EPERM:
        return VGPU_E_PERMISSION;
    case EBUSY:
        return VGPU_E_BUSY;
    case ENOMEM:
        return VGPU_E_MEMORY;
    case ETIMEDOUT:
        return VGPU_E_TIMEOUT;
    case EMSGSIZE:
        return VGPU_E_TOO_LARGE;
    case EPROTO:
        return VGPU_E_PROTOCOL;
    case ECANCELED:
        return VGPU_E_LOST;
    default:
        return VGPU_E_SYSTEM;
    }
}

const char *vgpu_command_text(uint32_t opcode)
{
    switch (opcode) {
    case VGPU_CMD_NOP:
        return "nop";
    case VGPU_CMD_SNAPSHOT:
        return "device info";
    case VGPU_CMD_RELEASE:
        return "release";
    case VGPU_CMD_BARRIER:
        return "barrier";
    case VGPU_CMD_FINISH:
        return "finish";
    case VGPU_CMD_BUFFER_CREATE:
        return "create a buffer";
    case VGPU_CMD_BUFFER_WRITE:
        return "write into a buffer";
    case VGPU_CMD_BUFFER_READ:
        return "read from a buffer";
    case VGPU_CMD_BUFFER_COPY:
        return "copy between buffers";
    case VGPU_CMD_BUFFER_FILL:
        return "fill a buffer";
    case VGPU_CMD_PROGRAM_CREATE:
        return "create a program";
    case VGPU_CMD_PROGRAM_BUILD:
        return "build a program";
    case VGPU_CMD_PROGRAM_LOG:
        return "a program's log";
    case VGPU_CMD_PROGRAM_BINARY:
        return "a program's binary";
    case VGPU_CMD_KERNEL_CREATE:
        return "create a kernel";
    case VGPU_CMD_KERNEL_ARG:
        return "set a kernel's argument";
    case VGPU_CMD_LAUNCH:
        return "launch a kernel";
    case VGPU_CMD_EVENT_TIMES:
        return "an event's times";
    default:
        return "a command";
    }
}
