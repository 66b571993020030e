/*
 * Status codes. A function that can fail returns 0 or a negative code: -errno for what the
 * operating system can say, and one of the rows below for what it cannot. The rows have numbers of
 * their own above every errno, so that a code travels over the wire and through logs unchanged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BASE_ERRORS_H
#define TRIVET_BASE_ERRORS_H

#include <errno.h>

/* name, number, nearest errno (what a FUSE client is told), text. Numbers are on the wire: never
 * change or reuse one. */
#define ERROR_LIST(X)                                                                              \
    X(E_NOT_PRIMARY, 1001, EAGAIN, "this brick is not the primary of the view")                    \
    X(E_OLD_VIEW, 1002, EAGAIN, "the message belongs to an older view")                            \
    X(E_NEW_VIEW, 1003, EAGAIN, "the message belongs to a view this brick does not know yet")      \
    X(E_NO_QUORUM, 1004, EAGAIN, "too few bricks of the replica set are in contact")               \
    X(E_NOT_SETTLED, 1005, EAGAIN, "the replica set is still bringing its bricks to one log")      \
    X(E_LEASE_EXPIRED, 1006, EAGAIN, "the lease to answer has run out")                            \
    X(E_BAD_COOKIE, 1007, EINVAL, "the directory cookie was never given out")                      \
    X(E_WRONG_VOLUME, 1008, EINVAL, "the other side serves another volume")                        \
    X(E_UNKNOWN_VOLUME, 1009, ENOENT, "there is no volume of that name")                           \
    X(E_VOLUME_STOPPED, 1010, ESHUTDOWN, "the volume is not started")                              \
    X(E_BAD_MESSAGE, 1011, EBADMSG, "the message cannot be decoded")                               \
    X(E_BAD_PROTOCOL, 1012, EPROTONOSUPPORT, "the other side speaks another protocol level")       \
    X(E_ID_BELOW_WINDOW, 1013, EIO, "the operation id is older than the reply memory reaches")     \
    X(E_CONNECTION_LOST, 1014, ENOTCONN, "the connection was lost before an answer came")          \
    X(E_OVERLOADED, 1015, EAGAIN, "too many requests are in flight")                               \
    X(E_GUARD_FAILED, 1016, EIO, "the object changed since the caller looked (ctime guard)")       \
    X(E_BAD_HANDLE, 1017, EBADF, "the file handle was not made by this volume")                    \
    X(E_CORRUPT, 1018, EUCLEAN, "a record on disk fails its check")                                \
    X(E_VERSION_CONFLICT, 1019, EEXIST, "the stored value has another version than expected")      \
    X(E_REMOVED, 1020, EAGAIN, "this brick was removed from its replica set")

enum error_code {
#define ERROR_ENUM(name, number, nearest, text) name = number,
    ERROR_LIST(ERROR_ENUM)
#undef ERROR_ENUM
};

/*
 * The name of a negative code, such as "E_NOT_PRIMARY" or "ENOENT"; "?" for one unknown.
 *
 * Threads: any. The string is static.
 */
const char *error_name(int code);

/*
 * A sentence (without full stop) for a negative code; strerror's text for an errno.
 *
 * Threads: any. The string is static or thread-local.
 */
const char *error_text(int code);

/*
 * The errno (positive) nearest to a negative code; what a kernel can be told.
 *
 * Threads: any.
 */
int error_errno(int code);

#endif
