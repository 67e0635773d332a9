/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shows, again and again, what a guest can see of its devices and of who uses them. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "latency.h"
#include "options.h"
#include "vgpu-ioctl.h"
#include "vgpu-names.h"
#include "vgpu-registers.h"
#include "vgpu.h"

#define MAX_DEVICES 16
#define PROBES      20 /* calls of which the median is shown */

static bool json; /* one line for each look, instead of text */

static uint32_t read_register(int fd, uint32_t offset)
{
    struct vgpu_ioc_register word = {.offset = offset};

    return ioctl(fd, VGPU_IOC_REGISTER, &word) < 0 ? 0 : word.value;
}

/* The name that process @pid has, without a line feed. */
static void process_name(const char *pid, char *name, size_t size)
{
    char path[64];

    snprintf(name, size, "?");
    snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(name, (int)size, file) != NULL)
        name[strcspn(name, "\n")] = '\0';
    fclose(file);
}

/* How many descriptors of @device process @pid has. */
static unsigned int count_files(const char *pid, const char *device)
{
    char path[64], target[64];
    unsigned int count = 0;
    struct dirent *entry;

    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0; /* another user's, or just gone */
    while ((entry = readdir(folder)) != NULL) {
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
        if (length > 0) {
            target[length] = '\0';
            count += strcmp(target, device) == 0;
        }
    }
    closedir(folder);
    return count;
}

static void print_user(const char *pid, const char *name, unsigned int files, bool first)
{
    if (json) {
        json_number(first ? "{" : ",{", "pid", strtoull(pid, NULL, 10));
        json_text(",", "name", name);
        json_number(",", "files", files);
        printf("}");
    } else {
        printf("  %8s  %-16s  %u open\n", pid, name, files);
    }
}

static void print_users(const char *device)
{
    struct dirent *entry;
    unsigned int users = 0;

    DIR *folder = opendir("/proc");
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char name[64];

        if (!isdigit((unsigned char)entry->d_name[0]) || atol(entry->d_name) == getpid())
            continue;
        unsigned int count = count_files(entry->d_name, device);
        if (count == 0)
            continue;
        process_name(entry->d_name, name, sizeof(name));
        print_user(entry->d_name, name, count, users == 0);
        users++;
    }
    if (folder != NULL)
        closedir(folder);
    if (users == 0 && !json)
        printf("  nobody uses it, as far as this user may see\n");
}

static void print_probe(const char *device)
{
    uint64_t durations[PROBES];
    VgpuContext *context;

    int code = vgpu_open(&context, device);
    for (int i = 0; i < PROBES && code == VGPU_OK; i++) {
        uint64_t begin = latency_now();

        code = vgpu_nop(context);
        durations[i] = latency_now() - begin;
    }
    vgpu_close(context);
    double median_us =
        code == VGPU_OK ? (double)latency_summarize(durations, PROBES).median / 1e3 : -1;
    if (json) {
        json_measure(",", "round_trip_us", median_us);
        if (code != VGPU_OK)
            json_text(",", "error", vgpu_last_error());
    } else if (code != VGPU_OK) {
        printf("  no answer: %s\n", vgpu_last_error());
    } else {
        printf("  round trip %.1f us\n", median_us);
    }
}

typedef struct {
    char device[24];
    char pool[2];
    const char *priority;
    uint32_t vm_id;
    uint32_t queues;
    uint32_t worker; /* 0: there is none */
} Device;

/* Returns false if there is no such device. */
static bool look_at_device(unsigned int number, Device *device)
{
    snprintf(device->device, sizeof(device->device), "/dev/vgpu%u", number);
    int fd = open(device->device, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const uint32_t pool = read_register(fd, VGPU_REG_POOL_ID);
    snprintf(device->pool, sizeof(device->pool), "%c",
             pool >= 'A' && pool <= 'Z' ? (int)pool : '?');
    device->priority = vgpu_priority_name(read_register(fd, VGPU_REG_PRIORITY));
    device->vm_id = read_register(fd, VGPU_REG_VM_ID);
    device->queues = read_register(fd, VGPU_REG_QUEUE_COUNT);
    device->worker = read_register(fd, VGPU_REG_QUEUE_GENERATION);
    close(fd);
    return true;
}

static void print_json(const Device *device, bool probe, bool first)
{
    json_text(first ? "{" : ",{", "device", device->device);
    json_text(",", "pool", device->pool);
    json_text(",", "priority", device->priority);
    json_number(",", "vm_id", device->vm_id);
    json_number(",", "queues", device->queues);
    json_number(",", "worker", device->worker);
    printf(",\"users\":[");
    print_users(device->device);
    printf("]");
    if (probe && device->worker != 0)
        print_probe(device->device);
    printf("}");
}

static void print_text(const Device *device, bool probe)
{
    printf("%s  pool %s  priority %s  VM %u  %u queues  ", device->device, device->pool,
           device->priority, device->vm_id, device->queues);
    if (device->worker == 0)
        printf("no worker: vgpud does not serve this VM\n");
    else
        printf("worker %u\n", device->worker);
    print_users(device->device);
    if (probe && device->worker != 0)
        print_probe(device->device);
}

/* Returns whether there is a device. */
static bool print_devices(bool probe)
{
    bool found = false;
    Device device;

    if (json)
        printf("{\"devices\":[");
    for (unsigned int number = 0; number < MAX_DEVICES; number++) {
        if (!look_at_device(number, &device))
            continue;
        if (json)
            print_json(&device, probe, !found);
        else
            print_text(&device, probe);
        found = true;
    }
    if (json)
        printf("]}\n");
    else if (!found)
        printf("no /dev/vgpuN: has this VM a virtual GPU, is vgpu.ko loaded?\n");
    return found;
}

int main(int argc, char **argv)
{
    uint32_t interval = 1, count = 0;
    bool probe = false, found;
    const struct option_entry options[] = {
        {.name = "interval",
         .argument = "S",
         .help = "seconds between two looks (default: 1)",
         .number = &interval},
        {.name = "count",
         .argument = "N",
         .help = "looks; 0: until interrupted (default)",
         .number = &count},
        {.name = "json", .help = "one line of JSON for each look", .flag = &json},
        {.name = "probe", .help = "measure a round trip, too; takes a queue", .flag = &probe},
        {NULL},
    };

    if (options_parse(argc, argv, "[OPTION...]",
                      "Shows this VM's virtual GPUs and the processes that use them.",
                      options) < argc)
        options_mistake("takes no operands");
    const bool terminal = count != 1 && !json && isatty(STDOUT_FILENO);
    for (uint32_t look = 0; count == 0 || look < count; look++) {
        if (look > 0)
            nanosleep(&(struct timespec){.tv_sec = interval}, NULL);
        if (terminal)
            printf("\033[H\033[2J"); /* from the top of an empty screen */
        found = print_devices(probe);
        fflush(stdout);
        if (!found && count != 0 && look + 1 == count)
            return EX_UNAVAILABLE;
    }
    return EX_OK;
}
