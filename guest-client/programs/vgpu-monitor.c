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

#include "latency.h"
#include "options.h"
#include "vgpu-ioctl.h"
#include "vgpu-names.h"
#include "vgpu-registers.h"
#include "vgpu.h"

#define MAX_DEVICES 16
#define PROBES      20 /* calls of which the median is shown */

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
        printf("  %8s  %-16s  %u open\n", entry->d_name, name, count);
        users++;
    }
    if (folder != NULL)
        closedir(folder);
    if (users == 0)
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
    if (code != VGPU_OK)
        printf("  no answer: %s\n", vgpu_last_error());
    else
        printf("  round trip %.1f us\n", (double)latency_summarize(durations, PROBES).median / 1e3);
}

/* Returns false if there is no such device. */
static bool print_device(unsigned int number, bool probe)
{
    char device[24];

    snprintf(device, sizeof(device), "/dev/vgpu%u", number);
    int fd = open(device, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    uint32_t pool = read_register(fd, VGPU_REG_POOL_ID);
    uint32_t generation = read_register(fd, VGPU_REG_QUEUE_GENERATION);
    printf("%s  pool %c  priority %s  VM %u  %u queues  ", device,
           pool >= 'A' && pool <= 'Z' ? (int)pool : '?',
           vgpu_priority_name(read_register(fd, VGPU_REG_PRIORITY)),
           read_register(fd, VGPU_REG_VM_ID), read_register(fd, VGPU_REG_QUEUE_COUNT));
    if (generation == 0)
        printf("no worker: vgpud does not serve this VM\n");
    else
        printf("worker %u\n", generation);
    close(fd);
    print_users(device);
    if (probe && generation != 0)
        print_probe(device);
    return true;
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
        {.name = "probe", .help = "measure a round trip, too; takes a queue", .flag = &probe},
        {NULL},
    };

    if (options_parse(argc, argv, "[OPTION...]",
                      "Shows this VM's virtual GPUs and the processes that use them.",
                      options) < argc)
        options_mistake("takes no operands");
    const bool terminal = count != 1 && isatty(STDOUT_FILENO);
    for (uint32_t look = 0; count == 0 || look < count; look++) {
        if (look > 0)
            nanosleep(&(struct timespec){.tv_sec = interval}, NULL);
        if (terminal)
            printf("\033[H\033[2J"); /* from the top of an empty screen */
        found = false;
        for (unsigned int number = 0; number < MAX_DEVICES; number++)
            found |= print_device(number, probe);
        if (!found)
            printf("no /dev/vgpuN: has this VM a virtual GPU, is vgpu.ko loaded?\n");
        fflush(stdout);
        if (!found && count != 0 && look + 1 == count)
            return EX_UNAVAILABLE;
    }
    return EX_OK;
}
