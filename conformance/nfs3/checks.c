/*
 * Making what a case needs, and what is checked again and again. See nfs3.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include "conformance/nfs3/nfs3.h"

/* ---- making ---------------------------------------------------------------------------------- */

sattr3 *with_mode(uint32_t mode)
{
    sattr3 *attributes = keep_new(sizeof *attributes);
    attributes->mode.set_it = TRUE;
    attributes->mode.set_mode3_u.mode = mode;
    return attributes;
}

static nfs_fh3 *handle_of(CREATE3res *made, nfs_fh3 *directory, const char *name)
{
    STATUS(made, NFS3_OK);
    if (made->CREATE3res_u.resok.obj.handle_follows) {
        return &made->CREATE3res_u.resok.obj.post_op_fh3_u.handle;
    }
    LOOKUP3res *found = call_lookup(directory, name);
    STATUS(found, NFS3_OK);
    return &found->LOOKUP3res_u.resok.object;
}

nfs_fh3 *make_file(nfs_fh3 *directory, const char *name, uint32_t mode)
{
    return handle_of(call_create(directory, name, GUARDED, with_mode(mode)), directory, name);
}

nfs_fh3 *make_directory(nfs_fh3 *directory, const char *name, uint32_t mode)
{
    return handle_of(call_mkdir(directory, name, with_mode(mode)), directory, name);
}

nfs_fh3 *make_symlink(nfs_fh3 *directory, const char *name, const char *target)
{
    return handle_of(call_symlink(directory, name, target, NULL), directory, name);
}

nfs_fh3 *make_fifo(nfs_fh3 *directory, const char *name, uint32_t mode)
{
    return handle_of(call_mknod(directory, name, NF3FIFO, with_mode(mode), 0, 0), directory, name);
}

void give_to(nfs_fh3 *object, uint32_t uid, uint32_t gid)
{
    sattr3 change = {.uid.set_it = TRUE, .gid.set_it = TRUE};
    change.uid.set_uid3_u.uid = uid;
    change.gid.set_gid3_u.gid = gid;
    STATUS(call_setattr(object, &change, NULL), NFS3_OK);
}

void put_bytes(nfs_fh3 *object, uint64_t offset, const void *data, uint32_t size)
{
    WRITE3res *written = call_write(object, offset, data, size, UNSTABLE);
    STATUS(written, NFS3_OK);
    CHECK_EQUAL(written->WRITE3res_u.resok.count, size);
}

void make_files(nfs_fh3 *directory, const char *name, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s%u", name, i);
        (void)make_file(directory, text, 0644);
    }
}

char *long_name(size_t size)
{
    char *name = keep_new(size + 1);
    memset(name, 'n', size);
    return name;
}

/* ---- checking -------------------------------------------------------------------------------- */

void check_status(int status, int wanted, const char *file, unsigned line)
{
    suite_check(status == wanted, file, line, "the answer is %s (%d), not %s", status_name(status),
                status, status_name(wanted));
}

void check_status_of(int status, int one, int other, const char *file, unsigned line)
{
    suite_check(status == one || status == other, file, line,
                "the answer is %s (%d), neither %s nor %s", status_name(status), status,
                status_name(one), status_name(other));
}

fattr3 attributes_of(nfs_fh3 *object)
{
    GETATTR3res *result = call_getattr(object);
    STATUS(result, NFS3_OK);
    return result->GETATTR3res_u.resok.obj_attributes;
}

int compare_time(const nfstime3 *one, const nfstime3 *other)
{
    if (one->seconds != other->seconds) {
        return one->seconds < other->seconds ? -1 : 1;
    }
    return one->nseconds == other->nseconds ? 0 : one->nseconds < other->nseconds ? -1 : 1;
}

void check_same(const fattr3 *one, const fattr3 *other)
{
    CHECK_EQUAL(one->type, other->type);
    CHECK_EQUAL(one->mode, other->mode);
    CHECK_EQUAL(one->nlink, other->nlink);
    CHECK_EQUAL(one->uid, other->uid);
    CHECK_EQUAL(one->gid, other->gid);
    CHECK_EQUAL(one->size, other->size);
    CHECK_EQUAL(one->rdev.specdata1, other->rdev.specdata1);
    CHECK_EQUAL(one->rdev.specdata2, other->rdev.specdata2);
    CHECK_EQUAL(one->fsid, other->fsid);
    CHECK_EQUAL(one->fileid, other->fileid);
    CHECK(compare_time(&one->mtime, &other->mtime) == 0);
    CHECK(compare_time(&one->ctime, &other->ctime) == 0);
}

void check_post_op(const post_op_attr *attributes, nfs_fh3 *object)
{
    CHECK(attributes->attributes_follow);
    fattr3 now = attributes_of(object);
    check_same(&attributes->post_op_attr_u.attributes, &now);
}

void check_wcc(const wcc_data *wcc, const fattr3 *before, nfs_fh3 *object)
{
    CHECK(wcc->before.attributes_follow);
    const wcc_attr *told = &wcc->before.pre_op_attr_u.attributes;
    CHECK_EQUAL(told->size, before->size);
    CHECK(compare_time(&told->mtime, &before->mtime) == 0);
    CHECK(compare_time(&told->ctime, &before->ctime) == 0);
    check_post_op(&wcc->after, object);
}

void check_wcc_unchanged(const wcc_data *wcc, const fattr3 *before, nfs_fh3 *object)
{
    if (wcc->before.attributes_follow) {
        const wcc_attr *told = &wcc->before.pre_op_attr_u.attributes;
        CHECK_EQUAL(told->size, before->size);
        CHECK(compare_time(&told->mtime, &before->mtime) == 0);
        CHECK(compare_time(&told->ctime, &before->ctime) == 0);
    }
    if (wcc->after.attributes_follow) {
        check_same(&wcc->after.post_op_attr_u.attributes, before);
    }
    fattr3 now = attributes_of(object);
    check_same(&now, before);
}

bool same_handle(const nfs_fh3 *one, const nfs_fh3 *other)
{
    return one->data.data_len == other->data.data_len &&
           memcmp(one->data.data_val, other->data.data_val, one->data.data_len) == 0;
}

bool exists(nfs_fh3 *directory, const char *name)
{
    LOOKUP3res *found = call_lookup(directory, name);
    STATUS_OF(found, NFS3_OK, NFS3ERR_NOENT);
    return found->status == NFS3_OK;
}
