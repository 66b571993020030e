/*
 * The gateway that this trivetd supervises. That it is to run, and with which configuration, is in
 * the cluster store under "gateway/local", so that it comes back after the machine was restarted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_GATEWAYS_H
#define TRIVET_MGMT_GATEWAYS_H

#include "mgmt/daemon.h"

/* Adopt or start the gateway if it is to run; failures are logged. */
void gateway_resume(struct daemon *daemon);

#endif
