/*
 * Every limit in the product, each with its reason.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_LIMITS_H
#define TRIVET_PROTO_LIMITS_H

#include <stdint.h>

/* Level of the brick, replica and management protocols; both sides must have the same one. */
#define PROTOCOL_LEVEL 3

/* Longest name: NAME_MAX of every Linux file system. */
#define NAME_SIZE_MAX 255
/* Longest symlink target: PATH_MAX less its NUL; XFS takes 1023, ext4 4095. */
#define TARGET_SIZE_MAX 4095
/* Longest name and largest value of an extended attribute: Linux's XATTR_NAME_MAX, XATTR_SIZE_MAX.
 */
#define XATTR_NAME_MAX_SIZE 255
#define XATTR_VALUE_MAX (64 * 1024)
/* All names and values of one object: as much as one listxattr may return, and a bound on what the
 * index keeps in one record. */
#define XATTRS_SIZE_MAX (64 * 1024 + 4096)
/* Entries of an ACL: XFS and ext4 take more, samba and its users far fewer. */
#define ACL_ENTRIES_MAX 256
/* In Linux's form: a version and 8 bytes for each entry. */
#define ACL_SIZE_MAX (4 + 8 * ACL_ENTRIES_MAX)
/* Largest file: what ext4 with blocks of 4 KiB can hold (2^32 - 1 of them); every brick must be
 * able to do what the primary decides. */
#define FILE_SIZE_MAX (UINT64_C(0xffffffff) * 4096)
/* Most names of a file: ext4's limit, the smallest of the file systems of bricks. */
#define LINKS_MAX 65000
/* Most supplementary groups of a caller: AUTH_SYS carries 16 (RFC 5531 appendix A). */
#define CRED_GROUPS_MAX 16
/* Largest READ or WRITE: FUSE's largest request with 4 KiB pages. */
#define IO_SIZE_MAX (1024 * 1024)
/* Largest READDIR answer: as much as one FUSE or NFS request asks for. */
#define READDIR_SIZE_MAX (1024 * 1024)
/* What a message may have besides its bulk: header, credentials, two names, three attributes; and
 * between bricks an operation with the value of an extended attribute. */
#define MESSAGE_HEAD_MAX (128 * 1024)
/* Largest RPC record that is read; a longer one ends the connection. */
#define RECORD_SIZE_MAX (IO_SIZE_MAX + MESSAGE_HEAD_MAX)
/* Most connections a daemon accepts: a descriptor and some KiB each. */
#define CONNECTIONS_MAX 4096
/* Most calls of one connection that wait for an answer; beyond it the socket is not read. */
#define CALLS_PER_CONNECTION_MAX 1024
/* Most calls that one connection has sent and waits for: what a peer accepts and as much again as
 * a slow one lets queue up in small calls; bounds the table of xids. */
#define CALLS_PENDING_MAX 65536
/* How long a connection may take to come up: three lost SYNs. */
#define CONNECT_MS_MAX 10000
/* How long a peer may leave what it was sent unacknowledged, and how long it may be silent while
 * nothing is sent, before the connection is lost: well above a network's hiccups. */
#define PEER_SILENCE_MS_MAX 10000
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
/* Operations of a set that are not committed yet; more wait at the client. Bounds the memory of a
 * primary whose backup is slow: this many records and calls. */
#define OPERATIONS_IN_FLIGHT_MAX 4096
/* Cells that name the last uncommitted operation of the objects and names hashed to them; a shared
 * cell only makes an answer wait for one commit more. A power of two. */
#define DEPENDENCY_CELLS 65536
/* Log records read at start to fill the reply memory again: what any client may still retry. */
#define REPLY_MEMORY_RECORDS 65536
/* Bytes of a long write after which a brick lets the disk begin: long enough for few, large
 * requests, longer than files that live for a moment only. */
#define WRITE_BEHIND_SIZE (8 * 1024 * 1024)
/* Most of a disk that is kept back from new data (1 % below this size): what was decided against
 * the free space of one moment must still fit, metadata included, on every brick. */
#define DISK_RESERVE_MAX (UINT64_C(256) * 1024 * 1024)
/* Members of a replica set: three, and one that is being replaced. */
#define SET_MEMBERS_MAX 4
/* Longest host name (RFC 1035 section 2.3.4) and path. */
#define HOST_SIZE_MAX 255
#define PATH_SIZE_MAX 4095
/* Longest JSON document of the management protocol. */
#define JSON_SIZE_MAX (1024 * 1024)
/* How long an unlinked file that a client has open is kept for it after its last connection: longer
 * than a client's restart of its connection takes in any failure, and its holder is long dead. */
#define ORPHAN_KEEP_MS 120000
/* Orphans that one tick of a brick takes away. */
#define ORPHANS_PER_TICK 64
/* How long a client may use attributes and names it was told, at most, and while its session's
 * lease holds (gateway/session_lease.h). */
#define GRANT_MS_MAX 2000
/* How long a session's lease holds, counted at the client from sending a call that the primary
 * answered: what a client that is frozen, or a primary that died, may delay others by. */
#define LEASE_CLIENT_MS 250
/* A brick counts from its own look at the clock, and so much longer: the clocks' rates may differ,
 * and the client's kernel counts in ticks from when its program gets to run. */
#define LEASE_CLIENT_WAIT_MS (LEASE_CLIENT_MS + 50)
/* Who has sent nothing for so long and holds grants, or waits for an answer, renews the lease. */
#define RENEW_MS (LEASE_CLIENT_MS / 3)

/* ---- views --------------------------------------------------------------------------------- */

/* Between two heartbeats of one brick to another: several fit into CONTACT_MS, and they cost
 * nothing that can be measured. */
#define BEAT_MS 100
/* Who was not heard of for this long is out of contact: ten heartbeats, or a hiccup of a loaded
 * machine. */
#define CONTACT_MS 1000
/* How long a primary may answer after it sent a heartbeat that a member answered. */
#define LEASE_MS 1000
/* How long a member that answered does not lead, after it sent that answer. More than the lease at
 * any difference of the clocks' rates that a machine with a working clock can have. */
#define GRACE_MS 2000
/* An operation of the disk that takes longer is a failure: less than the grace, so that the others
 * know before they may do without. */
#define DISK_STALL_MS 1500
/* A sync, a checkpoint: they wait for all that was written before, which may be much. */
#define DISK_SYNC_STALL_MS 10000
/* How long a set of which every process is new waits for all of its members. */
#define START_WAIT_MS 2000
/* How long a question to the cluster store may take before its outcome is called unknown. */
#define STORE_ANSWER_MS 1000
/* Members without which nothing is acknowledged, unless the volume says otherwise. */
#define MIN_INSYNC_DEFAULT 2

/* ---- management ---------------------------------------------------------------------------- */

/* A sentence of refusal: a path, the last line of a log, and what to do. */
#define REFUSAL_SIZE (PATH_SIZE_MAX + 1025)
/* Longest key of the cluster store: "view/", a volume's name, a set; each byte may take three in a
 * file's name of 255. */
#define STORE_KEY_MAX 80
/* Largest value: a volume of SET_MEMBERS_MAX bricks whose paths JSON escapes. */
#define STORE_VALUE_MAX (256 * 1024)
/* Watches of the cluster store: one for each kind of key, and the tests'. */
#define STORE_WATCHES_MAX 8
/* Proposals and readings of records that wait for the cluster store: each brick has one under way
 * and may have given up another. */
#define RECORD_WORKS_MAX (2 * VOLUMES_MAX * SET_MEMBERS_MAX)
/* Volumes of a cluster: each has three processes and a few hundred KiB. */
#define VOLUMES_MAX 256
/* Clients that wait for a volume's next view; as many as connections. */
#define VOLUME_WAITERS_MAX CONNECTIONS_MAX
/* Longest such wait: short enough to notice a client that went without a word. */
#define VOLUME_WAIT_MS_MAX 60000
/* Commands that run at once, each on a thread that may wait, and that wait for their turn. */
#define COMMANDS_RUNNING_MAX 6
#define COMMANDS_QUEUED_MAX 64
/* Processes that one trivetd supervises: every brick of every volume, and the gateway. */
#define PROCESSES_MAX (VOLUMES_MAX * SET_MEMBERS_MAX + 1)
/* A process that died is started again at once, then after delays that double between these: quick
 * for a single fault, cheap for one that stays. A life this long ends the series. */
#define RESTART_DELAY_MS_MIN 100
#define RESTART_DELAY_MS_MAX 5000
#define RESTART_SERIES_MS 30000
/* A brick that was removed from its set exits with this (EX_TEMPFAIL of sysexits.h) to begin anew:
 * it is started again at once, which is no failure. One that does so again before it has lived this
 * long waits RESTART_DELAY_MS_MIN. */
#define BRICK_REENTER 75
#define REENTER_MS_MIN 1000
/* How long a process may take to stop before it is killed: it syncs what it holds. */
#define STOP_MS_MAX 10000
/* How long a volume may take to start before its bricks are stopped again: a log is replayed. */
#define START_MS_MAX 20000
/* How long formatting a brick may take: a few probes of its file system. */
#define FORMAT_MS_MAX 60000
/* How long a brick may take to say how it is, before status calls it silent. */
#define STATUS_MS_MAX 2000
/* Threads of a mount that take requests from the kernel: requests do not wait in them, so two
 * suffice; more than a machine's processors never help. */
#define FUSE_THREADS 2
#define FUSE_THREADS_MAX 64
/* Requests of a mount whose memory is kept for the next ones: as many as are commonly under way. */
#define FUSE_CALLS_KEPT 256
/* Receive buffers (1 MiB) kept likewise, and those that waiting writes may hold before further
 * writes are copied to memory of their own size. */
#define FUSE_BUFFERS_KEPT 16
#define FUSE_BUFFERS_HELD_MAX 64
/* Requests in the background (read-ahead, write-back of mappings) that the kernel may have open. */
#define FUSE_BACKGROUND_MAX 64
/* What a directory handle asks the volume for at a time: several hundred entries. */
#define FUSE_DIRECTORY_BUFFER (128 * 1024)
/* Names a mount remembers to tell whether what is unlinked is open: those looked up just before. */
#define FUSE_NAMES_SEEN 8192
/* What the kernel reads ahead of a program that reads in order: a whole READ. */
#define FUSE_READ_AHEAD IO_SIZE_MAX
/* How long a mount waits for the kernel's handshake, for the volume's first answer, and for the
 * end of those who use it before it cuts them off. */
#define FUSE_HANDSHAKE_MS 5000
#define FUSE_FIRST_ANSWER_MS 10000
#define FUSE_STOP_MS 3000
/* How long a signalled request goes on waiting, and how often that is looked at. */
#define FUSE_INTERRUPT_AFTER_MS 1000
#define FUSE_INTERRUPT_EVERY_MS 250

/* Exports of one gateway, and client addresses of an export: each call of a client walks them. */
#define EXPORTS_MAX 64
#define EXPORT_CLIENTS_MAX 32
/* Largest READDIR answer over NFS: what Linux asks for at most, and a bound on one reply's memory.
 */
#define NFS_READDIR_SIZE_MAX (128 * 1024)
/* Largest READ, WRITE or READDIR over UDP: a datagram has 65,507 bytes and must hold a head too. */
#define NFS_UDP_SIZE_MAX (32 * 1024)
/* NFS requests kept for reuse: what a few busy clients have in flight, some 600 KiB. */
#define NFS_REQUESTS_SPARE_MAX 256
/* Mounts that MOUNT's DUMP lists; it only informs, the oldest makes room. */
#define MOUNTS_LISTED_MAX 1024
/* Mappings of our own portmapper: a dozen of ours, and room for local programs that use it. */
#define PORTMAP_MAPPINGS_MAX 128

/* Requests a volume has accepted and not answered; more are refused (-E_OVERLOADED), since a volume
 * that does not answer keeps them all. */
#define VOLUME_REQUESTS_MAX 16384
/* Management daemons that a client tries in turn: those it was given and one per member. */
#define MANAGEMENT_HOSTS_MAX 16
/* Pauses before a client dials, asks or sends again double between these: a failover that everybody
 * knows of takes some ten milliseconds. */
#define RETRY_MS_MIN 2
#define RETRY_MS_MAX 1000
/* Longest pause before a set that refuses is asked again: a quarter of the time that it has. */
#define RESEND_MS_MAX 160
/* How often a client looks at what has no timer of its own. */
#define CLIENT_TICK_MS 20
/* How long a primary may leave calls without any answer before every management daemon is asked for
 * a newer view, and how long the connections for that are kept. More than a round trip and what the
 * scheduler of a busy machine adds. */
#define QUIET_MS 150
#define SPARES_KEEP_MS 10000
/* How long a connection may take to be made and to say hello, before the next is tried. */
#define DIAL_MS_MAX 3000
/* How long before a volume that has requests and gives no answer is said not to answer. */
#define SILENCE_MS_MAX 1000
/* What a client subtracts from a grant, for the time from its look at the clock to the cache. */
#define GRANT_MARGIN_MS 50
/* Objects whose attributes a client keeps while they are granted: those that it works with in two
 * seconds; some 250 bytes each. */
#define OBJECT_CACHE_SLOTS 16384
/* Names it keeps likewise; 128 bytes each. */
#define NAME_CACHE_SLOTS 32768
/* Directories that it made and knows all names of, and names of one; 8 bytes each, twice as many
 * places as names at most. */
#define WHOLE_DIRECTORIES 256
#define WHOLE_DIRECTORY_HASHES 8192
/* Largest file whose bytes it keeps with them, and bytes in sum: what programs write and read again
 * at once. */
#define OBJECT_CACHE_FILE_MAX (64 * 1024)
#define OBJECT_CACHE_DATA_MAX (64 * 1024 * 1024)
/* Answers that it remembers for NFS clients that send a call again: some 700 bytes each, the calls
 * of a few seconds. A power of two. */
#define LOCAL_REPLIES_MAX 4096
/* Objects that a plain directory served as a volume remembers: some 64 bytes each. */
#define LOCAL_OBJECTS_MAX (16 * 1024 * 1024)

/* Cells of the table of grants: this many sets of GRANT_WAYS each. A client that lists a tree is
 * granted all that it was told in two seconds; 24 bytes each. */
#define GRANT_SETS 131072
#define GRANT_WAYS 8

/* A segment of a brick's log: small enough that dropping one is a small step. */
#define LOG_SEGMENT_SIZE (64 * 1024 * 1024)
/* The log that is kept for members that come back: hours of an ordinary day, 1 % of a 100 GB disk.
 */
#define LOG_KEEP_SIZE (UINT64_C(1024) * 1024 * 1024)
/* Operations between commits of the index: bounds its dirty pages, and the replay after a death. */
#define INDEX_COMMIT_OPERATIONS 4096
/* What may be kept in memory to take back operations that are not committed; more goes to a table
 * of the index. Some 600 bytes each. */
#define UNDO_BYTES_MAX (4 * 1024 * 1024)
/* Checkpoints for which an object is left unchanged before its times are brought to the tree: what
 * is made, written, closed and renamed within seconds costs it once, what is removed nothing. */
#define CHECKPOINTS_UNFLUSHED 3
/* Objects that one checkpoint brings times to: some 50 ms of work. */
#define CHECKPOINT_FLUSH_MAX 8192
/* Descriptors of objects that a brick keeps open: more than the files in use at a time. It keeps
 * fewer if the process may open less than twice as many. */
#define OPEN_OBJECTS_MAX 1024
/* What a brick keeps free for its own log, index and strays: this part of the disk … */
#define RESERVE_PART 50
/* … but not more than the whole log and as much for the index. */
#define RESERVE_MAX (UINT64_C(2048) * 1024 * 1024)

/* The well-known ports. */
#define PORT_MANAGEMENT 24007
#define PORT_BRICKS 49152
#define PORT_NFS 2049
#define PORT_PORTMAP 111

#endif
