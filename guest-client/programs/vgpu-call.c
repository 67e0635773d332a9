/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request from a shell: what came back, how long it took, and an exit status to test. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "latency.h"
#include "options.h"
#include "vgpu-pci.h"

#define RETRY_MS      100u
#define TEXT_SIZE     (2 * VGPU_BUFFER_SIZE + 1)
#define NOT_GIVEN     UINT32_MAX
#define EX_UNEXPECTED 1

static const char about[] =
    "Sends one request to the vgpu-stub device and prints a line: \"ok RESULT (MS ms)\" or\n"
    "\"error CODE NAME (MS ms)\".\n"
    "\n"
    "Requests:\n"
    "  nop            no operation\n"
    "  add A B        A + B modulo 2^32, computed by the host's GPU\n"
    "  info           what computes on the host\n"
    "  raw [HEX]      the bytes HEX as they are, well-formed or not; prints the response in hex\n"
    "\n"
    "Exit status: 0 ok, the device's error code (1 to 63) after an error, 64 wrong usage,\n"
    "69 no device, 74 anything else that went wrong in the guest. With --expect-error: 0 if each\n"
    "request ended with that code, else 1.";

enum kind { NOP, ADD, INFO, RAW };

struct call {
    enum kind kind;
    uint32_t a, b;                   /* ADD */
    uint8_t bytes[VGPU_BUFFER_SIZE]; /* RAW */
    uint32_t length;                 /* RAW: for REQUEST_LEN */
};

struct settings {
    const char *device;
    uint32_t repeat, until_ok, expect_error, length, timeout_ms;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void parse_hex(const char *hex, struct call *call)
{
    size_t digits = strlen(hex);

    if (digits % 2 != 0 || digits / 2 > sizeof(call->bytes))
        options_mistake("raw: give two hexadecimal digits per byte, for at most %u bytes",
                        VGPU_BUFFER_SIZE);
    for (size_t i = 0; i < digits; i += 2) {
        int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
        if (high < 0 || low < 0)
            options_mistake("raw: '%.2s' is not hexadecimal", hex + i);
        call->bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    call->length = (uint32_t)(digits / 2);
}

static void parse_call(int count, char **operands, const struct settings *settings,
                       struct call *call)
{
    const char *name = count > 0 ? operands[0] : "";

    memset(call, 0, sizeof(*call));
    if (strcmp(name, "nop") == 0 && count == 1) {
        call->kind = NOP;
    } else if (strcmp(name, "info") == 0 && count == 1) {
        call->kind = INFO;
    } else if (strcmp(name, "add") == 0 && count == 3) {
        call->kind = ADD;
        if (!options_number(operands[1], &call->a) || !options_number(operands[2], &call->b))
            options_mistake("add: give two numbers from 0 to 4294967295");
    } else if (strcmp(name, "raw") == 0 && count <= 2) {
        call->kind = RAW;
        parse_hex(count == 2 ? operands[1] : "", call);
        if (settings->length != NOT_GIVEN)
            call->length = settings->length;
    } else {
        options_mistake("give one request: nop, add A B, info or raw [HEX]");
    }
    if (settings->length != NOT_GIVEN && call->kind != RAW)
        options_mistake("--length goes with raw only");
}

static int send_raw(VgpuPci *pci, const struct call *call, char *text)
{
    VgpuPciResponse response;

    int result = vgpu_pci_write(pci, VGPU_REQUEST_BUFFER, call->bytes, sizeof(call->bytes), 4);
    if (result == 0)
        result = vgpu_pci_ring(pci, call->length);
    if (result == 0)
        result = vgpu_pci_wait(pci, pci->timeout_ms);
    if (result == 0)
        result = vgpu_pci_read_response(pci, &response);
    for (size_t i = 0; result == 0 && i < response.length; i++)
        snprintf(text + 2 * i, 3, "%02x", response.bytes[i]);
    return result;
}

/* Sends the request. On success @text is what came back. */
static int send(VgpuPci *pci, const struct call *call, char *text)
{
    VgpuPciDeviceInfo info;
    uint32_t sum;
    int result;

    text[0] = '\0';
    switch (call->kind) {
    case NOP:
        return vgpu_pci_nop(pci);
    case ADD:
        result = vgpu_pci_vector_add(pci, call->a, call->b, &sum);
        if (result == 0)
            snprintf(text, TEXT_SIZE, "%u", sum);
        return result;
    case INFO:
        result = vgpu_pci_device_info(pci, &info);
        if (result == 0)
            snprintf(text, TEXT_SIZE,
                     "name=\"%s\" compute-units=%u clock-mhz=%u memory-mib=%u backend=%u",
                     info.name, info.compute_units, info.clock_mhz, info.memory_mib, info.backend);
        return result;
    case RAW:
        return send_raw(pci, call, text);
    }
    return -EINVAL;
}

/* Sends the request and prints its line, unless it fails and is to be @quiet then. */
static int send_and_print(VgpuPci *pci, const struct call *call, bool quiet)
{
    char text[TEXT_SIZE];

    uint64_t start = latency_now();
    int result = send(pci, call, text);
    double ms = (double)(latency_now() - start) / 1e6;

    if (result == 0)
        printf("ok%s%s (%.3f ms)\n", text[0] != '\0' ? " " : "", text, ms);
    else if (!quiet && result > 0)
        printf("error 0x%02x %s (%.3f ms)\n", result, vgpu_error_name((uint32_t)result), ms);
    else if (!quiet)
        printf("failed: %s (%.3f ms)\n", pci->error, ms);
    fflush(stdout);
    return result;
}

/* Tries until the request succeeds, for about @seconds; prints the last try only. */
static int send_until_ok(VgpuPci *pci, const struct call *call, uint32_t seconds)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};
    const uint64_t start = latency_now();
    uint32_t failures = 0;

    for (;;) {
        bool last = latency_now() - start >= (uint64_t)seconds * 1000000000u;
        int result = send_and_print(pci, call, !last);

        if (result == 0 || last) {
            printf("after %.3f s and %u failures\n", (double)(latency_now() - start) / 1e9,
                   failures);
            return result;
        }
        failures++;
        nanosleep(&pause, NULL);
    }
}

static int exit_status(int result, const struct settings *settings)
{
    if (settings->expect_error != NOT_GIVEN)
        return result >= 0 && (uint32_t)result == settings->expect_error ? EX_OK : EX_UNEXPECTED;
    if (result < 0)
        return EX_IOERR;
    return result < EX__BASE ? result : EX__BASE - 1;
}

static int run(VgpuPci *pci, const struct call *call, const struct settings *settings)
{
    for (uint32_t i = 0; i < settings->repeat; i++) {
        int result = settings->until_ok != NOT_GIVEN ? send_until_ok(pci, call, settings->until_ok)
                                                     : send_and_print(pci, call, false);
        int status = exit_status(result, settings);
        if (status != EX_OK)
            return status;
    }
    return EX_OK;
}

int main(int argc, char **argv)
{
    struct settings settings = {.repeat = 1,
                                .until_ok = NOT_GIVEN,
                                .expect_error = NOT_GIVEN,
                                .length = NOT_GIVEN,
                                .timeout_ms = VGPU_PCI_TIMEOUT_MS};
    const struct option_entry options[] = {
        OPTION_DEVICE(&settings.device),
        {.name = "repeat",
         .argument = "N",
         .help = "send it N times, up to the first that fails",
         .number = &settings.repeat},
        {.name = "until-ok",
         .argument = "SECONDS",
         .help = "try again, every 100 ms, until it succeeds",
         .number = &settings.until_ok},
        {.name = "expect-error",
         .argument = "CODE",
         .help = "succeed if it ends with this error code",
         .number = &settings.expect_error},
        {.name = "length",
         .argument = "N",
         .help = "raw: write N to REQUEST_LEN (default: the bytes given)",
         .number = &settings.length},
        {.name = "timeout",
         .argument = "MS",
         .help = "how long to wait for the answer (default: 10000)",
         .number = &settings.timeout_ms},
        {NULL},
    };
    struct call call;
    VgpuPci pci;

    int first = options_parse(argc, argv, "[OPTION...] REQUEST", about, options);
    parse_call(argc - first, argv + first, &settings, &call);

    if (vgpu_pci_open(&pci, settings.device, VGPU_PCI_USE) != 0) {
        fprintf(stderr, "vgpu-call: %s\n", pci.error);
        vgpu_pci_close(&pci);
        return EX_UNAVAILABLE;
    }
    pci.timeout_ms = settings.timeout_ms;
    int status = run(&pci, &call, &settings);
    vgpu_pci_close(&pci);
    return status;
}
