/*
 * Every limit in the product, each with its reason.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_LIMITS_H
#define TRIVET_PROTO_LIMITS_H

/* Level of the brick, replica and management protocols; both sides must have the same one. */
#define PROTOCOL_LEVEL 1

/* Longest name: NAME_MAX of every Linux file system. */
#define NAME_SIZE_MAX 255
/* Longest symlink target: PATH_MAX less its NUL; XFS takes 1023, ext4 4095. */
#define TARGET_SIZE_MAX 4095
/* Most supplementary groups of a caller: AUTH_SYS carries 16 (RFC 5531 appendix A). */
#define CRED_GROUPS_MAX 16
/* Largest READ or WRITE: FUSE's largest request with 4 KiB pages. */
#define IO_SIZE_MAX (1024 * 1024)
/* Largest READDIR answer: as much as one FUSE or NFS request asks for. */
#define READDIR_SIZE_MAX (1024 * 1024)
/* What a message may have besides its bulk: header, credentials, two names, three attributes. */
#define MESSAGE_HEAD_MAX (32 * 1024)
/* Largest RPC record that is read; a longer one ends the connection. */
#define RECORD_SIZE_MAX (IO_SIZE_MAX + MESSAGE_HEAD_MAX)
/* Most connections a daemon accepts: a descriptor and some KiB each. */
#define CONNECTIONS_MAX 4096
/* Most calls of one connection that wait for an answer; beyond it the socket is not read. */
#define CALLS_PER_CONNECTION_MAX 1024
/* Bytes queued to a slow peer before its socket is no longer read. */
#define SEND_QUEUE_MAX (64 * 1024 * 1024)
/* Slots of a client session: mutations that one client has in flight; bounds the reply memory. */
#define SESSION_SLOTS 256
/* Client sessions a brick remembers replies for; the one longest unused makes room. */
#define SESSIONS_MAX 1024
/* Derived ids a brick remembers, the oldest makes room. */
#define DERIVED_REPLIES_MAX 65536
/* Longest volume name: it is a path component of exports and mounts. */
#define VOLUME_NAME_MAX 63
/* Members of a replica set: three, and one that is being replaced. */
#define SET_MEMBERS_MAX 4
/* Longest host name (RFC 1035 section 2.3.4) and path. */
#define HOST_SIZE_MAX 255
#define PATH_SIZE_MAX 4095
/* Longest JSON document of the management protocol. */
#define JSON_SIZE_MAX (1024 * 1024)
/* How long a client may use attributes and names it was told, at most. */
#define GRANT_MS_MAX 2000

/* The well-known ports. */
#define PORT_MANAGEMENT 24007
#define PORT_BRICKS 49152
#define PORT_NFS 2049
#define PORT_PORTMAP 111

#endif
