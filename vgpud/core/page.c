/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static VgpuPage *map(int fd, GError **error)
{
    void *page = mmap(NULL, sizeof(VgpuPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved),
                    "cannot map the accounting page: %s", g_strerror(saved));
        return NULL;
    }
    return page;
}

VgpuPage *vgpu_page_create(int *fd, GError **error)
{
    int memory = memfd_create("vgpu-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (memory < 0 || ftruncate(memory, sizeof(VgpuPage)) < 0 ||
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved),
                    "cannot make the accounting page: %s", g_strerror(saved));
        if (memory >= 0)
            close(memory);
        return NULL;
    }

    VgpuPage *page = map(memory, error);
    if (page == NULL) {
        close(memory);
        return NULL;
    }
    page->version = VGPU_PAGE_VERSION;
    *fd = memory;
    return page;
}

VgpuPage *vgpu_page_map(int fd, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(VgpuPage)) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                            "the accounting page is too small");
        return NULL;
    }

    VgpuPage *page = map(fd, error);
    if (page != NULL && page->version != VGPU_PAGE_VERSION) {
        g_set_error(
            error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
            "the accounting page has version %u, this worker knows %u: vgpud and vgpu-worker "
            "are of different versions",
            page->version, VGPU_PAGE_VERSION);
        vgpu_page_unmap(page);
        return NULL;
    }
    return page;
}

void vgpu_page_unmap(VgpuPage *page)
{
    if (page != NULL)
        munmap(page, sizeof(*page));
}

static char *one_valid_line(const char *text, gsize length)
{
    char *valid = g_utf8_make_valid(text, (gssize)length);

    for (char *c = valid; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    return valid;
}

void vgpu_page_set_text(char field[VGPU_PAGE_TEXT_BYTES], const char *text)
{
    g_autofree char *line = one_valid_line(text, strlen(text));
    gsize length = strlen(line);

    if (length >= VGPU_PAGE_TEXT_BYTES)
        length = (gsize)(g_utf8_find_prev_char(line, line + VGPU_PAGE_TEXT_BYTES) - line);
    memcpy(field, line, length);
    field[length] = '\0';
}

char *vgpu_page_get_text(const char field[VGPU_PAGE_TEXT_BYTES])
{
    char copy[VGPU_PAGE_TEXT_BYTES];

    memcpy(copy, field, sizeof(copy));
    return one_valid_line(copy, strnlen(copy, sizeof(copy)));
}

void vgpu_page_set_limits(VgpuPage *page, const VgpuLimits *limits, gboolean waits)
{
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        atomic_store_explicit(&page->limits[i], limits->value[i], memory_order_relaxed);
    atomic_store_explicit(&page->limits_wait, waits ? 1 : 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&page->limits_serial, 1, memory_order_release);
}

gboolean vgpu_page_get_limits(const VgpuPage *page, guint32 *serial, VgpuLimits *limits,
                              gboolean *waits)
{
    const guint32 now = atomic_load_explicit(&page->limits_serial, memory_order_acquire);

    if (now == *serial)
        return FALSE;
    *serial = now;
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        limits->value[i] = atomic_load_explicit(&page->limits[i], memory_order_relaxed);
    *waits = atomic_load_explicit(&page->limits_wait, memory_order_relaxed) != 0;
    return TRUE;
}

guint vgpu_page_wait_bucket(guint64 wait_ns)
{
    guint bucket = 0;

    while (bucket < VGPU_PAGE_WAITS - 1 && wait_ns > G_GUINT64_CONSTANT(1000) << bucket)
        bucket++;
    return bucket;
}
