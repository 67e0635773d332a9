/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole terminal for one view, given back as it was. */
#pragma once

#include <glib.h>

typedef struct VgpuctlTerminal VgpuctlTerminal;

/* Takes standard output's terminal; NULL when it is none. One at a time. */
VgpuctlTerminal *vgpuctl_terminal_new(void);
void vgpuctl_terminal_free(VgpuctlTerminal *terminal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuctlTerminal, vgpuctl_terminal_free)

/* Shows @text, lines that are safe, as far as they fit. */
void vgpuctl_terminal_draw(VgpuctlTerminal *terminal, const char *text);

/* Whether keys can be read one by one from standard input. */
gboolean vgpuctl_terminal_has_keys(const VgpuctlTerminal *terminal);
