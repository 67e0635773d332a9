/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* contract [--count N] [--seed N] [POOL [PRIORITY [VM_ID]]]: does the device keep to protocol 1.0?
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"count", required_argument, NULL, 'c'},
        {"seed", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    unsigned long count = 3000, seed = 20;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c')
            count = strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoul(optarg, NULL, 10);
        else
            return 2;
    }

    const char *problem = device_open();
    if (problem != NULL) {
        printf("Bail out! %s\n", problem);
        return 1;
    }
    test_registers(optind < argc ? argv[optind] : NULL, optind + 1 < argc ? argv[optind + 1] : NULL,
                   optind + 2 < argc ? argv[optind + 2] : NULL);
    test_buffers();
    test_requests();
    test_malformed((uint32_t)seed, (unsigned)count);
    return tap_end();
}
