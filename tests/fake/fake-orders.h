/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What fake-mediator understands beside VGPU_CMD_NOP, whose result is its handle. arg[0] is a time
 * in milliseconds. */
#ifndef FAKE_ORDERS_H
#define FAKE_ORDERS_H

#define FAKE_DELAY 0xff01u /* ends after that time; those behind it wait; result: its handle */
#define FAKE_MUTE  0xff02u /* ends at once; then the worker does nothing for that time */
#define FAKE_DIE   0xff03u /* the worker ends; a new one comes after that time */
#define FAKE_COUNT 0xff04u /* result: queues that have a session, as far as the worker knows */
#define FAKE_READ                                                                                  \
    0xff05u /* fills the arena with 0xa5, but for the first byte after that time, in               \
               which the worker sees nothing else */

#endif
