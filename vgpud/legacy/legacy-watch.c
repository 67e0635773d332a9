/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "legacy-watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "legacy-files.h"
#include "limiter.h"

/* Which directories there are. */
#define BASE_EVENTS                                                                                \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |         \
     IN_ONLYDIR)
/*
 * A file has been written to. Not only once it is closed: an NFS server may keep it open for
 * seconds. IN_CREATE: a client with a write delegation keeps what it writes to itself until someone
 * else opens the file.
 */
#define VM_EVENTS (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR)

/* How often a directory may wake us: a request does so about six times, a guest asks at 10 Hz. */
#define WAKE_RATE ((VgpuRate){.per_second = 500, .burst = 500})
#define PAUSE_MS  100u

#define BUFFER_SIZE 16384 /* of events in one turn of the main loop */

typedef struct {
    VgpuLegacyWatch *watch;
    char *name;
    int dir;
    dev_t device; /* and inode: by which it is known to be the same */
    ino_t inode;
    int wd; /* -1: not watched */
    VgpuLimiter wakes;
    guint pause; /* source; 0: none */
    gboolean is_changed;
} Entry;

struct VgpuLegacyWatch {
    char *path;
    const VgpuLegacyWatchHandlers *handlers;
    gpointer user_data;
    int base;
    int base_wd;
    int inotify;
    guint source;
    GPtrArray *entries; /* of Entry */
    gboolean is_full;   /* and that was logged */
};

static void free_entry(gpointer data)
{
    Entry *entry = data;

    if (entry->wd >= 0)
        inotify_rm_watch(entry->watch->inotify, entry->wd);
    g_clear_handle_id(&entry->pause, g_source_remove);
    close(entry->dir);
    g_free(entry->name);
    g_free(entry);
}

/* Watches the directory of a descriptor, whatever has become of its name. -1: errno is set. */
static int add_watch(int inotify, int dir, guint32 events)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", dir);

    return inotify_add_watch(inotify, link, events);
}

static void watch_entry(Entry *entry)
{
    entry->wd = add_watch(entry->watch->inotify, entry->dir, VM_EVENTS);
    if (entry->wd < 0)
        g_warning("legacy directory %s/%s: cannot be watched: %s", entry->watch->path, entry->name,
                  g_strerror(errno));
}

static Entry *find(const VgpuLegacyWatch *self, const char *name)
{
    for (guint i = 0; i < self->entries->len; i++) {
        Entry *entry = self->entries->pdata[i];
        if (strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}

static void remove_entry(VgpuLegacyWatch *self, Entry *entry)
{
    self->handlers->vanished(entry->name, self->user_data);
    g_ptr_array_remove(self->entries, entry);
}

/* @dir becomes the entry's. */
static void add_entry(VgpuLegacyWatch *self, const char *name, int dir, const struct stat *info)
{
    if (self->entries->len >= VGPU_LEGACY_WATCH_MAX) {
        if (!self->is_full)
            g_warning("legacy directory %s/%s: not served, nor are others: %u are the most",
                      self->path, name, VGPU_LEGACY_WATCH_MAX);
        self->is_full = TRUE;
        close(dir);
        return;
    }

    Entry *entry = g_new0(Entry, 1);
    entry->watch = self;
    entry->name = g_strdup(name);
    entry->dir = dir;
    entry->device = info->st_dev;
    entry->inode = info->st_ino;
    vgpu_limiter_init(&entry->wakes, WAKE_RATE);
    g_ptr_array_add(self->entries, entry);
    watch_entry(entry);
    self->handlers->appeared(name, dir, self->user_data);
    self->handlers->changed(name, self->user_data);
}

/* The directory @name of the base, or -1. */
static int open_vm(const VgpuLegacyWatch *self, const char *name, struct stat *info)
{
    const int dir = openat(self->base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (dir < 0 && errno == EACCES)
        g_warning("legacy directory %s/%s: cannot be opened: %s", self->path, name,
                  g_strerror(errno));
    if (dir >= 0 && fstat(dir, info) < 0) {
        close(dir);
        return -1;
    }
    return dir;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in the base, but for those with a dot in front; sorted. */
static GPtrArray *list_base(const VgpuLegacyWatch *self)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const int fd = openat(self->base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *file;

    if (stream == NULL) {
        g_warning("legacy directory %s: cannot be read: %s", self->path, g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return names;
    }
    while ((file = readdir(stream)) != NULL)
        if (file->d_name[0] != '.')
            g_ptr_array_add(names, g_strdup(file->d_name));
    closedir(stream);
    g_ptr_array_sort(names, compare_names);
    return names;
}

static gboolean is_same(const Entry *entry)
{
    struct stat info;

    return fstatat(entry->watch->base, entry->name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           entry->device == info.st_dev && entry->inode == info.st_ino;
}

static void scan(VgpuLegacyWatch *self)
{
    g_autoptr(GPtrArray) names = list_base(self);
    struct stat info;

    /* Those that went go first: one that was renamed has one watch by either name. */
    for (guint i = self->entries->len; i-- > 0;) {
        Entry *entry = self->entries->pdata[i];
        if (!is_same(entry))
            remove_entry(self, entry);
    }
    for (guint i = 0; i < names->len; i++) {
        const int dir =
            find(self, names->pdata[i]) == NULL ? open_vm(self, names->pdata[i], &info) : -1;
        if (dir >= 0)
            add_entry(self, names->pdata[i], dir, &info);
    }
}

static gboolean on_pause_over(gpointer data)
{
    Entry *entry = data;

    entry->pause = 0;
    watch_entry(entry);
    entry->watch->handlers->changed(entry->name, entry->watch->user_data);
    return G_SOURCE_REMOVE;
}

/* Something has happened in it, as often as that may have been, since we looked last. */
static void wake(Entry *entry, gboolean is_request)
{
    if (!vgpu_limiter_take(&entry->wakes, (guint64)g_get_monotonic_time() * 1000)) {
        inotify_rm_watch(entry->watch->inotify, entry->wd);
        entry->wd = -1;
        entry->pause = g_timeout_add(PAUSE_MS, on_pause_over, entry);
        return;
    }
    if (is_request)
        entry->watch->handlers->changed(entry->name, entry->watch->user_data);
}

static void base_is_gone(VgpuLegacyWatch *self)
{
    g_warning("legacy directory %s: it is gone; its VMs are not served until vgpud's next start",
              self->path);
    self->base_wd = -1;
    while (self->entries->len > 0)
        remove_entry(self, self->entries->pdata[self->entries->len - 1]);
}

typedef struct {
    gboolean scan, is_gone, all_changed;
} Batch;

static void note(VgpuLegacyWatch *self, const struct inotify_event *event, GHashTable *woken,
                 Batch *batch)
{
    if (event->mask & IN_Q_OVERFLOW) {
        batch->scan = batch->all_changed = TRUE;
        return; /* its wd is -1, as that of what is not watched */
    }
    if (event->wd == self->base_wd) {
        batch->scan = TRUE;
        batch->is_gone |= (event->mask & (IN_IGNORED | IN_MOVE_SELF)) != 0;
    }
    for (guint i = 0; i < self->entries->len; i++) {
        Entry *entry = self->entries->pdata[i];
        if (entry->wd != event->wd)
            continue;
        g_hash_table_add(woken, entry);
        batch->scan |= (event->mask & IN_IGNORED) != 0; /* deleted, or its file system unmounted */
        if (event->len > 0 && strcmp(event->name, VGPU_LEGACY_REQUEST) == 0)
            entry->is_changed = TRUE;
    }
}

/* Each entry is woken once, however many events there were. */
static void act(VgpuLegacyWatch *self, GHashTable *woken, const Batch *batch)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, woken);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        Entry *entry = key;
        const gboolean is_changed = entry->is_changed;
        entry->is_changed = FALSE;
        wake(entry, is_changed);
    }
    for (guint i = 0; batch->all_changed && i < self->entries->len; i++)
        self->handlers->changed(((Entry *)self->entries->pdata[i])->name, self->user_data);
    if (batch->is_gone)
        base_is_gone(self);
    else if (batch->scan)
        scan(self);
}

static gboolean on_inotify(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    VgpuLegacyWatch *self = data;
    g_autoptr(GHashTable) woken = g_hash_table_new(NULL, NULL);
    _Alignas(struct inotify_event) char buffer[BUFFER_SIZE];
    const ssize_t length = read(fd, buffer, sizeof(buffer));
    Batch batch = {0};

    for (ssize_t at = 0; at < length;) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
        note(self, event, woken, &batch);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    act(self, woken, &batch);
    return G_SOURCE_CONTINUE;
}

static void warn_of_remote(const VgpuLegacyWatch *self)
{
    static const guint32 remote[] = {NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
                                     SMB2_SUPER_MAGIC, V9FS_MAGIC,       CEPH_SUPER_MAGIC,
                                     CODA_SUPER_MAGIC, FUSE_SUPER_MAGIC, AFS_FS_MAGIC};
    struct statfs info;

    if (fstatfs(self->base, &info) < 0)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(remote); i++)
        if ((guint32)info.f_type == remote[i])
            g_warning("legacy directory %s: it is on a file system of elsewhere: only what is "
                      "written on this host is noticed",
                      self->path);
}

VgpuLegacyWatch *vgpu_legacy_watch_new(const char *path, const VgpuLegacyWatchHandlers *handlers,
                                       gpointer user_data, GError **error)
{
    VgpuLegacyWatch *self = g_new0(VgpuLegacyWatch, 1);

    self->path = g_strdup(path);
    self->handlers = handlers;
    self->user_data = user_data;
    self->entries = g_ptr_array_new_with_free_func(free_entry);
    self->base_wd = self->inotify = -1;
    self->base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->base >= 0)
        self->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (self->inotify >= 0)
        self->base_wd = add_watch(self->inotify, self->base, BASE_EVENTS);
    if (self->base_wd < 0) {
        const int failure = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(failure), "cannot watch %s: %s", path,
                    g_strerror(failure));
        vgpu_legacy_watch_free(self);
        return NULL;
    }
    warn_of_remote(self);
    self->source = g_unix_fd_add(self->inotify, G_IO_IN, on_inotify, self);
    scan(self);
    return self;
}

void vgpu_legacy_watch_free(VgpuLegacyWatch *self)
{
    g_clear_handle_id(&self->source, g_source_remove);
    g_ptr_array_unref(self->entries);
    if (self->inotify >= 0)
        close(self->inotify);
    if (self->base >= 0)
        close(self->base);
    g_free(self->path);
    g_free(self);
}
