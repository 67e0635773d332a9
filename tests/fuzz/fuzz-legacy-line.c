/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request.txt of any bytes. What is accepted has values within the format's bounds, and is the
 * same after it has been written out and read again; what is partial has no newline yet.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "legacy-line.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

static void check_line(const VgpuLegacyLine *line)
{
    VgpuLegacyLine again;
    char text[VGPU_LEGACY_LINE_MAX + 1];

    require(line->pool >= 'A' && line->pool <= 'Z');
    require(line->priority <= VGPU_PRIORITY_HIGH);
    require(line->vm >= 1 && line->vm <= VGPU_LEGACY_LINE_MAX_VM);

    const int length =
        line->is_signed
            ? g_snprintf(text, sizeof(text), "%c:%u:%u:%d:%d\n", line->pool, line->priority,
                         line->vm, (gint32)line->numbers[0], (gint32)line->numbers[1])
            : g_snprintf(text, sizeof(text), "%c:%u:%u:%u:%u\n", line->pool, line->priority,
                         line->vm, line->numbers[0], line->numbers[1]);
    require(vgpu_legacy_line_parse(text, (gsize)length, &again) == VGPU_LEGACY_LINE_OK);
    require(again.pool == line->pool && again.priority == line->priority && again.vm == line->vm &&
            again.numbers[0] == line->numbers[0] && again.numbers[1] == line->numbers[1] &&
            again.is_signed == line->is_signed);

    g_autofree char *result = vgpu_legacy_line_result(line, line->numbers[0] + line->numbers[1]);
    require(strlen(result) >= 2 && strchr(result, '\n') == result + strlen(result) - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    VgpuLegacyLine line;

    if (size == 0)
        return 0;
    /* Exactly as large as what was read, so that a read beyond it is seen. */
    g_autofree char *copy = g_memdup2(bytes, size);

    switch (vgpu_legacy_line_parse(copy, size, &line)) {
    case VGPU_LEGACY_LINE_OK:
        check_line(&line);
        break;
    case VGPU_LEGACY_LINE_PARTIAL:
        require(memchr(bytes, '\n', size) == NULL);
        break;
    case VGPU_LEGACY_LINE_MALFORMED:
        break;
    }
    return 0;
}
