/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two files in a legacy VM's directory, which its guest may fill with whatever it likes.
 *
 *   request.txt    the guest writes it, vgpud takes it away: from then on it is .request.taken, and
 *                  never becomes a request again, however often vgpud starts
 *   response.txt   vgpud puts it there whole, by a rename, with the request's owner; it takes away
 *                  the one of before when it takes a request
 *
 * Nothing but regular files is opened, no symbolic link is followed, no more than a line is read,
 * and nothing outside of the directory is touched. These functions are called in threads: each may
 * wait for the file system, and, where the directory is exported by NFS, for a client that has a
 * delegation of one of the files, which may take its time (fcntl(2), F_SETLEASE).
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "legacy-line.h"

#define VGPU_LEGACY_REQUEST  "request.txt"
#define VGPU_LEGACY_RESPONSE "response.txt"
#define VGPU_LEGACY_TAKEN    ".request.taken"
#define VGPU_LEGACY_NEW      ".response.new" /* while it is being written */

typedef enum {
    VGPU_LEGACY_FILES_NONE,   /* there is no request, or it is not complete yet */
    VGPU_LEGACY_FILES_TAKEN,  /* it is the caller's to answer */
    VGPU_LEGACY_FILES_AGAIN,  /* another process has a lease on it: try again in a while */
    VGPU_LEGACY_FILES_FAILED, /* with an error; the request, if it is one, stays where it is */
} VgpuLegacyFilesResult;

/* A request that was taken. */
typedef struct {
    gboolean is_valid; /* else it is malformed, and @line is not to be used */
    VgpuLegacyLine line;
    gint64 written_ns; /* CLOCK_REALTIME of its last change (ctime), which a guest cannot set */
    uid_t uid;         /* who owns it, and shall own the response */
    gid_t gid;
} VgpuLegacyTaken;

/*
 * vgpu_legacy_files_take:
 * Takes a complete request out of the directory @dir, and the response of before with it. @taken is
 * filled, and @error set, as the result says.
 */
VgpuLegacyFilesResult vgpu_legacy_files_take(int dir, VgpuLegacyTaken *taken, GError **error);

/*
 * vgpu_legacy_files_answer:
 * Makes @text the response to @taken. If the guest has put another request there meanwhile it has
 * given this one up: then nothing is written, so that it takes no answer for that of a later
 * request. Returns FALSE with @error set when it cannot be written.
 */
gboolean vgpu_legacy_files_answer(int dir, const VgpuLegacyTaken *taken, const char *text,
                                  GError **error);
