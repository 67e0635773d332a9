/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-driver [plugged|suspended|rebooted]: vgpu.ko against fake-mediator, in a guest that has
 * loaded it. Prints TAP. plugged, suspended: with help of the host, which it asks for on stdout.
 * rebooted: to be run at each of two boots.
 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *group = argc > 1 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    tap_begin(stdout);
    queue_count = (unsigned)strtoul(attribute("queues"), NULL, 10);
    if (queue_count == 0 || queue_count > VGPU_QUEUE_MAX)
        tap_bail_out("no /sys/class/vgpu/vgpu0/queues: is vgpu.ko loaded, has the device queues?");
    if (strcmp(group, "plugged") == 0) {
        test_plugged();
    } else if (strcmp(group, "suspended") == 0) {
        test_suspended();
    } else if (strcmp(group, "large") == 0) {
        test_large();
    } else if (strcmp(group, "rebooted") == 0) {
        test_rebooted();
    } else {
        test_use();
        test_limits();
        test_lives();
        test_worker();
        test_gone();
    }
    return tap_end();
}
