/*
 * The broken variants: each replaces one rule's guard by what a naive reading would do. The option
 * BROKEN names one of these numbers (model.sh takes the name); 0 is the intact model.
 * SPDX-License-Identifier: Apache-2.0
 */
/* views: rules 1, 6, 7 */
#define PROMOTION_UNKNOWN_TO_PRIMARY 1   /* commits with the old set meanwhile */
#define PROMOTION_UNKNOWN_TO_LEASE 2     /* reads under the lease of the old set meanwhile */
#define LOST_ANSWER_TAKEN_FOR_FAILURE 3  /* the old record still there: assumes failure */
#define VIEW_FORGOTTEN 4                 /* acts in a view that is not durable at it */
#define OLD_VIEW_MESSAGE 5               /* takes operations of the view before */
#define NO_LEASE 6
#define ONE_BACKUP_LEASE 7               /* one promise is enough */
#define CANDIDATE_ANSWERS_HEARTBEAT 8    /* while its proposal's outcome is unknown */
#define CANDIDATE_RESTARTS 9             /* leads by a proposal of its former incarnation */
#define DEATH_NOTICE_SKIPS_PROMISE 10    /* one primary's death voids promises to an older one */
#define DEATH_NOTICE_WITHOUT_INCARNATION 11
#define RESTARTED_PRIMARY_REUSES_INDEX 12 /* goes on in its view */
#define IGNORED_STORE_LEASE 13           /* successor does not wait for the store's lease */
#define STORE_LEASE_OF_OLD_VIEW 14       /* renews a record that it has not seen */
#define STORE_LEASE_UNDER_PROPOSAL 15    /* a renewal does not stop a proposal that is under way */
#define REMOVAL_BEFORE_OUTCOME 16        /* acknowledges without the removed too early */
/* order: rules 2, 3, 4, 9 */
#define TWO_OF_THREE 20                  /* commits without the silent one, still in sync */
#define GAP_AFTER_RECONNECT 21
#define NO_SETTLING 22                   /* members count at once, each with its own log */
#define HEAL_CUTS_AN_IN_SYNC_BRICK 23    /* settling cuts back, and takes its time */
#define CANDIDATE_ACKNOWLEDGES 24        /* takes operations meanwhile: not needed */
/* membership: rules 10, 11, 12 */
#define REBOOTED_MEMBER_LEADS 30
#define WIPED_DISK_LEADS 31
#define ANY_VIEW_LIFTS_SUSPICION 32      /* also one with an older incarnation */
#define ACKNOWLEDGED_THEN_REBOOTED 33    /* counts an acknowledgement whose memory is gone */
#define DIVERGENT_TAIL_UNNAMED 34        /* healing leaves the healed brick's own tail */
#define UNMARKED_WHILE_HEALED 35         /* stops in the middle of healing, comes back for whole */
#define PROMOTED_BEFORE_CAUGHT_UP 36
#define SUSPICION_FORGOTTEN 37           /* by a restart before the comparison */
#define SUSPECT_LEADS_BEFORE_ALL_ARE_BACK 38
/* durability: rule 16 */
#define ANSWERED_BEFORE_SYNC 39
#define SYNCED_ON_PRIMARY_ONLY 60
/* client: rules 5, 8, 14, 15 */
#define UNSETTLED_READ 40                /* a new primary serves its tail */
#define UNCOMMITTED_READ 41
#define CACHED_REPLY_OF_UNCOMMITTED 42   /* a new primary answers retries from its tail */
#define CHECKED_BEFORE_GATHERED 43
#define REFUSED_THEN_COMMITTED 44
#define REFUSED_BY_ANOTHER 45
#define NO_REPLY_MEMORY 46               /* a new primary does not know what the old one executed */
#define DUPLICATE_NOT_JOINED 47          /* a duplicate of an operation in flight */
#define UNDONE_OPERATION_ANSWERED 48     /* healing leaves the reply memory */
#define GRANT_OUTLIVES_PRIMARY 49        /* a new primary does not wait for older grants */
#define GRANT_OUTLIVES_LEASE 50          /* a client counts its grant from receiving it */
#define RENAME_MARKS_ONE_NAME 51         /* reads of the new name do not wait for it */
#define RENAME_RECALLS_ONE_NAME 52       /* caches of the new name are not recalled */
