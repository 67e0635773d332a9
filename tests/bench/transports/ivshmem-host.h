/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host as ivshmem's server and as the one peer that a guest has. */
#ifndef BENCH_IVSHMEM_HOST_H
#define BENCH_IVSHMEM_HOST_H

/*
 * Introduces itself to the QEMU on the connected UNIX socket @client, by the protocol of QEMU's
 * docs/specs/ivshmem-spec, then answers the guest until the program is ended. Memory comes from a
 * memfd. Ends the program on failure.
 */
_Noreturn void ivshmem_serve(int client);

#endif
