/*
 * Goal: no bytes from a wire or a disk make a decoder of the protocol crash, leak or read beyond
 * them, and what is accepted has one form: decoded, encoded, decoded and encoded again it is the
 * same. Method: by seed, every decoder gets random bytes, and valid encodings that were truncated,
 * lengthened, bit-flipped or overwritten in part. Inputs lie in memory of exactly their size, so
 * that the address sanitizer sees one byte too much; every other one is unaligned.
 *
 * Usage: proto_test [seed [inputs]]. Every failure prints the seed and the input's number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/bytes.h"
#include "backend/base/errors.h"
#include "backend/proto/brick.h"
#include "backend/proto/dirent.h"
#include "backend/proto/mgmt.h"
#include "backend/proto/operation.h"
#include "backend/proto/replica.h"
#include "backend/proto/wire.h"
#include "tests/lib/sample.h"

#define SEED_DEFAULT 1
#define INPUTS_DEFAULT 200000
/* More than the longest valid encoding (a reply with a view of longest texts) but one JSON text. */
#define INPUT_SIZE_MAX (128 * 1024)

/*
 * An XDR decoder. form spells a valid encoding, a letter for each field:
 *
 *     u u32  h u64  b bool  n negative status  s string<255>  t string<4095>  j JSON text
 *     g gfid  a attr  w attr_before  e attr_change  c cred  i op_id  f statfs_info  r reply
 *     V volume_id  v view  p volume_spec  o an encoded operation, as opaque
 *     P supervised_peer<SET_MEMBERS_MAX>
 */
struct decoder {
    const char *name;
    xdrproc_t codec;
    size_t size;
    const char *form;
};

#define DECODER(type, form)                                                                        \
    {                                                                                              \
#type, (xdrproc_t)xdr_##type, sizeof(struct type), form                                    \
    }

static const struct decoder decoders[] = {
    DECODER(gfid, "g"),
    DECODER(attr, "a"),
    DECODER(attr_before, "w"),
    DECODER(attr_change, "e"),
    DECODER(cred, "c"),
    DECODER(op_id, "i"),
    DECODER(statfs_info, "f"),
    DECODER(reply, "r"),
    DECODER(volume_id, "V"),
    DECODER(view, "v"),
    DECODER(volume_spec, "p"),
    DECODER(brick_hello, "uVhbs"),
    DECODER(brick_hello_reply, "nvu"),
    DECODER(brick_target, "uh"),
    DECODER(brick_getattr_args, "uhcg"),
    DECODER(brick_setattr_args, "uhcigebhu"),
    DECODER(brick_access_args, "uhcgu"),
    DECODER(brick_name_args, "uhcgs"),
    DECODER(brick_read_args, "uhcghu"),
    DECODER(brick_write_args, "uhcighub"),
    DECODER(brick_commit_args, "uhcghh"),
    DECODER(brick_make_args, "uhcigsuuehuutub"),
    DECODER(brick_link_args, "uhciggsb"),
    DECODER(brick_remove_args, "uhcigsbb"),
    DECODER(brick_rename_args, "uhcigsgsubb"),
    DECODER(brick_readdir_args, "uhcghhub"),
    DECODER(brick_statfs_args, "uhg"),
    DECODER(brick_forget_args, "uhcig"),
    DECODER(brick_getxattr_args, "uhcgsu"),
    DECODER(brick_setxattr_args, "uhcigsu"),
    DECODER(brick_allocate_args, "uhcighhu"),
    DECODER(brick_seek_args, "uhcghu"),
    DECODER(brick_copy_args, "uhcighghh"),
    DECODER(brick_renew_args, "uh"),
    DECODER(recall_args, "hggs"),
    DECODER(replica_open_args, "uVuuvhhhh"),
    DECODER(replica_open_reply, "nhhhhhhh"),
    DECODER(replica_append_args, "uhho"),
    DECODER(replica_append_reply, "nhhh"),
    DECODER(replica_sync_args, "uhgh"),
    DECODER(replica_sync_reply, "nh"),
    DECODER(replica_heartbeat_args, "uhh"),
    DECODER(replica_heartbeat_reply, "nhhhh"),
    DECODER(replica_beat_args, "uVuuuhhhhuu"),
    DECODER(replica_beat_reply, "nhhhhuuh"),
    DECODER(replica_fetch_args, "uhghu"),
    DECODER(replica_fetch_reply, "n"),
    DECODER(mgmt_volume_args, "ushu"),
    DECODER(mgmt_volume_reply, "np"),
    DECODER(mgmt_register_args, "uVuhhuuh"),
    DECODER(mgmt_register_reply, "np"),
    DECODER(mgmt_propose_args, "uVuhhhv"),
    DECODER(mgmt_propose_reply, "np"),
    DECODER(mgmt_current_args, "uV"),
    DECODER(mgmt_current_reply, "np"),
    DECODER(mgmt_command_args, "j"),
    DECODER(mgmt_command_reply, "j"),
    DECODER(supervised_view_args, "p"),
    DECODER(supervised_status_reply, "nhuhhuhhhfP"),
    DECODER(supervised_death_args, "uh"),
};

#define DECODER_COUNT (sizeof decoders / sizeof decoders[0])

static struct random_sequence random_values;
static uint64_t seed = SEED_DEFAULT;
static unsigned long input_number;
static unsigned long accepted_count;
static _Alignas(8) uint8_t valid[INPUT_SIZE_MAX];

static uint64_t below(uint64_t bound)
{
    return random_sequence_below(&random_values, bound);
}

static void expect(bool condition, const char *decoder, const char *what)
{
    if (!condition) {
        printf("seed %lu, input %lu: %s: %s\n", (unsigned long)seed, input_number, decoder, what);
        exit(1);
    }
}

/* ---- valid encodings ----------------------------------------------------------------------- */

static bool put_string(XDR *xdrs, size_t size_max)
{
    static char text[TARGET_SIZE_MAX + 1];
    char *at = text;
    sample_text(&random_values, 0, size_max, text);
    return xdr_string(xdrs, &at, (unsigned)size_max);
}

static bool put_operation(XDR *xdrs)
{
    static struct sample_text_room room;
    static uint8_t bytes[OPERATION_SIZE_MAX];
    struct operation operation;
    char *at = (char *)bytes;
    size_t size = 0;
    sample_operation(&random_values, (unsigned)below(1U << 23), &room, &operation);
    expect(operation_encode(&operation, bytes, sizeof bytes, &size) == 0, "operation", "encode");
    unsigned count = (unsigned)size;
    return xdr_bytes(xdrs, &at, &count, OPERATION_SIZE_MAX);
}

static bool put_number(XDR *xdrs, char letter)
{
    uint64_t wide = sample_u64(&random_values);
    uint32_t narrow = sample_u32(&random_values);
    bool_t flag = (bool_t)below(2);
    switch (letter) {
    case 'u':
        return xdr_uint32_t(xdrs, &narrow);
    case 'h':
        return xdr_uint64_t(xdrs, &wide);
    case 'b':
        return xdr_bool(xdrs, &flag);
    default: /* n */
        narrow |= UINT32_C(0x80000000);
        return xdr_uint32_t(xdrs, &narrow);
    }
}

static bool put_peers(XDR *xdrs)
{
    uint32_t count = (uint32_t)below(SET_MEMBERS_MAX + 1);
    bool done = xdr_uint32_t(xdrs, &count);
    for (uint32_t i = 0; done && i < count; i++) {
        done = put_number(xdrs, 'u') && put_number(xdrs, 'u') && put_number(xdrs, 'h');
    }
    return done;
}

static union {
    struct gfid gfid;
    struct attr attr;
    struct attr_before before;
    struct attr_change change;
    struct cred cred;
    struct op_id id;
    struct statfs_info info;
    struct reply reply;
    struct volume_id volume;
    struct view view;
    struct volume_spec spec;
} any;

static bool put_large(XDR *xdrs, char letter)
{
    switch (letter) {
    case 'P':
        return put_peers(xdrs);
    case 'r':
        sample_reply(&random_values, (unsigned)below(1024), &any.reply);
        return xdr_reply(xdrs, &any.reply);
    case 'V':
        sample_volume_id(&random_values, &any.volume);
        return xdr_volume_id(xdrs, &any.volume);
    case 'v':
        sample_view(&random_values, &any.view);
        return xdr_view(xdrs, &any.view);
    case 'p':
        sample_volume_spec(&random_values, &any.spec);
        return xdr_volume_spec(xdrs, &any.spec);
    case 's':
        return put_string(xdrs, 63); /* valid for every string in the .x files */
    case 't':
        return put_string(xdrs, TARGET_SIZE_MAX);
    case 'j':
        return put_string(xdrs, TARGET_SIZE_MAX);
    case 'o':
        return put_operation(xdrs);
    default:
        return put_number(xdrs, letter);
    }
}

static bool put_field(XDR *xdrs, char letter)
{
    memset(&any, 0, sizeof any);
    switch (letter) {
    case 'g':
        sample_gfid(&random_values, &any.gfid);
        return xdr_gfid(xdrs, &any.gfid);
    case 'a':
        sample_attr(&random_values, &any.attr);
        return xdr_attr(xdrs, &any.attr);
    case 'w':
        sample_before(&random_values, &any.before);
        return xdr_attr_before(xdrs, &any.before);
    case 'e':
        sample_change(&random_values, &any.change);
        return xdr_attr_change(xdrs, &any.change);
    case 'c':
        sample_cred(&random_values, &any.cred);
        return xdr_cred(xdrs, &any.cred);
    case 'i':
        sample_op_id(&random_values, &any.id);
        return xdr_op_id(xdrs, &any.id);
    case 'f':
        sample_statfs(&random_values, &any.info);
        return xdr_statfs_info(xdrs, &any.info);
    default:
        return put_large(xdrs, letter);
    }
}

static size_t make_valid(const struct decoder *decoder)
{
    XDR xdrs;
    xdrmem_create(&xdrs, (char *)valid, sizeof valid, XDR_ENCODE);
    for (const char *letter = decoder->form; *letter; letter++) {
        expect(put_field(&xdrs, *letter), decoder->name, "a valid field is not encoded");
    }
    return XDR_GETPOS(&xdrs);
}

static size_t make_operation(void)
{
    static struct sample_text_room room;
    struct operation operation;
    size_t size = 0;
    sample_operation(&random_values, (unsigned)below(1U << 23), &room, &operation);
    expect(operation_encode(&operation, valid, sizeof valid, &size) == 0, "operation", "encode");
    return size;
}

static size_t make_entries(void)
{
    size_t used = 0;
    for (uint64_t left = below(5); left > 0; left--) {
        char name[NAME_SIZE_MAX + 1];
        struct dirent_entry entry = {.cookie = sample_u64(&random_values), .type = OBJECT_FILE};
        sample_gfid(&random_values, &entry.gfid);
        sample_text(&random_values, 1, NAME_SIZE_MAX, name);
        entry.name = slice_text(name);
        if (below(2)) {
            sample_attr(&random_values, &entry.attr);
        }
        expect(dirent_pack(valid, sizeof valid, &used, &entry) == 0, "dirent", "pack");
    }
    return used;
}

/* ---- spoiling them ------------------------------------------------------------------------- */

/* Change the size bytes in valid; the new size. */
static size_t spoil(size_t size)
{
    switch (below(6)) {
    case 0: /* as it is */
        break;
    case 1:
        size = below(size + 1);
        break;
    case 2:
        random_sequence_bytes(&random_values, valid + size, 16);
        size += 1 + below(16);
        break;
    case 3: /* random bytes of random size, small numbers now and then so that lengths are met */
        size = below(600);
        random_sequence_bytes(&random_values, valid, size);
        for (size_t i = below(8); i + 4 <= size; i += 4 * (1 + below(6))) {
            memset(valid + i, 0, 3);
        }
        break;
    case 4: /* a word becomes a limit */
        if (size >= 4) {
            uint8_t *at = valid + 4 * below(size / 4);
            bytes_put_u32(&at, sample_u32(&random_values));
        }
        break;
    default:
        for (uint64_t flips = size ? 1 + below(4) : 0; flips > 0; flips--) {
            valid[below(size)] ^= (uint8_t)(1U << below(8));
        }
        break;
    }
    return size;
}

/* The bytes in memory of exactly their size, at an odd address every other time. */
struct input {
    uint8_t *memory;
    uint8_t *bytes;
    size_t size;
};

static struct input input_of(const uint8_t *bytes, size_t size)
{
    size_t shift = below(2);
    uint8_t *memory = malloc(size + shift + (size + shift == 0));
    if (!memory) {
        abort();
    }
    if (size > 0) {
        memcpy(memory + shift, bytes, size);
    }
    return (struct input){.memory = memory, .bytes = memory + shift, .size = size};
}

/* ---- the decoders -------------------------------------------------------------------------- */

static _Alignas(8) uint8_t first[INPUT_SIZE_MAX];
static _Alignas(8) uint8_t second[INPUT_SIZE_MAX];

/* Decode into a zeroed struct, encode that into out_bytes; the encoded size, 0 if refused. */
static size_t recode(const struct decoder *decoder, const struct input *input, uint8_t *out_bytes)
{
    static _Alignas(16) uint8_t value[sizeof(struct volume_spec) + 1024];
    XDR xdrs;
    size_t size = 0;
    expect(decoder->size <= sizeof value, decoder->name, "the test's room is too small");
    memset(value, 0, decoder->size);
    xdrmem_create(&xdrs, (char *)input->bytes, (unsigned)input->size, XDR_DECODE);
    if (decoder->codec(&xdrs, value)) {
        xdrmem_create(&xdrs, (char *)out_bytes, INPUT_SIZE_MAX, XDR_ENCODE);
        expect(decoder->codec(&xdrs, value), decoder->name, "what was decoded is not encoded");
        size = XDR_GETPOS(&xdrs);
    }
    xdr_free(decoder->codec, (char *)value);
    return size;
}

static void feed_xdr(const struct decoder *decoder)
{
    size_t valid_size = make_valid(decoder);
    memcpy(second, valid, valid_size);
    size_t size = spoil(valid_size);
    bool untouched = size == valid_size && memcmp(second, valid, size) == 0;
    struct input input = input_of(valid, size);
    size_t first_size = recode(decoder, &input, first);
    free(input.memory);
    if (untouched) {
        expect(first_size == size && memcmp(first, valid, size) == 0, decoder->name,
               "a valid encoding does not come back");
    }
    if (first_size > 0) {
        accepted_count++;
        struct input again = input_of(first, first_size);
        size_t second_size = recode(decoder, &again, second);
        free(again.memory);
        expect(second_size == first_size && memcmp(first, second, first_size) == 0, decoder->name,
               "it is not stable");
    }
}

static void feed_operation(void)
{
    struct operation operation;
    struct input input = input_of(valid, spoil(make_operation()));
    int status = operation_decode(slice_of(input.bytes, input.size), &operation);
    expect(status == 0 || status == -E_BAD_MESSAGE, "operation", "it fails in another way");
    if (status == 0) {
        accepted_count++;
        size_t size = 0;
        static struct reply reply;
        operation_to_reply(&operation, &reply);
        expect(operation_encode(&operation, first, sizeof first, &size) == 0 &&
                   size == input.size && memcmp(first, input.bytes, size) == 0,
               "operation", "it has two forms");
    }
    free(input.memory);
}

static void feed_entries(void)
{
    struct input input = input_of(valid, spoil(make_entries()));
    struct slice rest = slice_of(input.bytes, input.size);
    struct dirent_entry entry;
    size_t used = 0;
    int status = dirent_next(&rest, &entry);
    for (; status == 0; status = dirent_next(&rest, &entry)) {
        accepted_count++;
        expect(dirent_pack(first, sizeof first, &used, &entry) == 0 &&
                   used == input.size - rest.size && memcmp(first, input.bytes, used) == 0,
               "dirent", "it has two forms");
    }
    expect(status == -ENOENT ? rest.size == 0 : status == -E_BAD_MESSAGE, "dirent",
           "it ends in another way");
    free(input.memory);
}

static void feed(uint64_t choice)
{
    if (choice < DECODER_COUNT) {
        feed_xdr(&decoders[choice]);
    } else if (choice < DECODER_COUNT + 4) {
        feed_operation();
    } else {
        feed_entries();
    }
}

int main(int argc, char **argv)
{
    unsigned long inputs = argc > 2 ? strtoul(argv[2], NULL, 0) : INPUTS_DEFAULT;
    seed = argc > 1 ? strtoul(argv[1], NULL, 0) : SEED_DEFAULT;
    printf("seed %lu, %lu inputs\n", (unsigned long)seed, inputs);
    random_sequence_init(&random_values, seed);
    size_t heap_before = mallinfo2().uordblks;
    for (input_number = 0; input_number < inputs; input_number++) {
        feed(below(DECODER_COUNT + 8));
    }
    size_t heap_after = mallinfo2().uordblks;
    printf("%lu accepted\n", accepted_count);
    /* malloc counts the freed chunks that it caches, up to 240 KiB, as used. An address sanitizer's
     * heap reports 0 both times and finds leaks by itself. */
    expect(heap_after <= heap_before + 512 * 1024, "all", "memory leaks");
    expect(accepted_count > inputs / 10, "all", "hardly anything is accepted: inputs are bad");
    return 0;
}
