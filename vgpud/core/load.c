/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "load.h"

/* Long enough not to be moved by one burst, short enough to be of now. */
#define MEMORY_NS 10e9

guint vgpu_load_sample(VgpuLoad *load, guint64 busy_ns, guint64 now_ns)
{
    if (load->at_ns != 0 && now_ns > load->at_ns) {
        const gdouble time = (gdouble)(now_ns - load->at_ns);
        const gdouble busy = busy_ns > load->busy_ns ? (gdouble)(busy_ns - load->busy_ns) : 0;
        const gdouble keep = MEMORY_NS / (MEMORY_NS + time);

        load->share = keep * load->share + (1 - keep) * MIN(busy / time, 1);
    }
    load->busy_ns = busy_ns;
    load->at_ns = now_ns;
    return (guint)(load->share * 1000 + 0.5);
}
