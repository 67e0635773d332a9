/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "text.h"

/* Control sequences that every terminal of today knows (xterm's, documented in its ctlseqs). */
#define ENTER "\x1b[?1049h\x1b[?25l" /* the other screen, no cursor */
#define LEAVE "\x1b[?25h\x1b[?1049l"
#define HOME  "\x1b[H"
#define CLEAR "\x1b[K" /* the rest of the line */
#define BELOW "\x1b[J" /* and all below */

struct VgpuctlTerminal {
    gboolean has_keys;
    struct termios saved;
};

VgpuctlTerminal *vgpuctl_terminal_new(void)
{
    if (!isatty(STDOUT_FILENO))
        return NULL;

    VgpuctlTerminal *terminal = g_new0(VgpuctlTerminal, 1);
    terminal->has_keys = tcgetattr(STDIN_FILENO, &terminal->saved) == 0;
    if (terminal->has_keys) {
        struct termios raw = terminal->saved;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* a shell would come up on the other screen */
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    fputs(ENTER, stdout);
    fflush(stdout);
    return terminal;
}

void vgpuctl_terminal_free(VgpuctlTerminal *terminal)
{
    fputs(LEAVE, stdout);
    fflush(stdout);
    if (terminal->has_keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal->saved);
    g_free(terminal);
}

gboolean vgpuctl_terminal_has_keys(const VgpuctlTerminal *terminal)
{
    return terminal->has_keys;
}

void vgpuctl_terminal_draw(VgpuctlTerminal *terminal G_GNUC_UNUSED, const char *text)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) screen = g_string_new(HOME);

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col < 4)
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    for (guint i = 0; lines[i] != NULL && i < size.ws_row; i++) {
        g_autofree char *line = vgpuctl_text_fit(lines[i], size.ws_col);
        g_string_append_printf(screen, "%s%s" CLEAR, i == 0 ? "" : "\r\n", line);
    }
    g_string_append(screen, BELOW);
    fwrite(screen->str, 1, screen->len, stdout);
    fflush(stdout);
}
