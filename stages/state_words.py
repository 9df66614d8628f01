"""Which word of the states' ``words`` arrays is what: cursors, heights, counters. No Numba, so that status can read.

Zero is the initial value of all of them.
"""

from __future__ import annotations

from typing import Final

# Words of RiskState.words
RW_CURSOR: Final = 0
RW_SEEN: Final = 1
RW_FEED_HEAD: Final = 2
RW_FEED_TAIL: Final = 3
RW_ORDERS_USED: Final = 4
RW_ORDERS_FREE: Final = 5  # height of the stack of free rows
RW_POSITIONS: Final = 6
RW_CL_IDS: Final = 7
RW_SESSIONS: Final = 8
RW_OUT_CURSOR: Final = 9
RW_FEED_HIGH: Final = 10
RW_CL_SUM: Final = 11  # sum of a hash of each used ClOrdID, for the state digest
RW_SWITCHES: Final = 12  # codes.Switch of the venue as a whole
RW_DAY: Final = 13  # how many DAY_BEGIN there were
RW_DAY_NS: Final = 14  # time_ns of the last one
RW_PARTITIONS: Final = 15  # of matching; constant
RISK_WORDS: Final = 16

# Words of MatchingState.words; counters by outcome type and by reason follow
MW_CURSOR: Final = 0
MW_ORDER_FREE: Final = 1  # first free row + 1 of the chain, 0 for none
MW_ORDERS_USED: Final = 2
MW_OPEN: Final = 3
MW_LEVEL_FREE: Final = 4
MW_LEVELS_USED: Final = 5
MW_LEVELS: Final = 6
MW_DIGEST: Final = 7
MW_OUT_NEXT: Final = 8
MW_OUT_GATE: Final = 9
MW_PENDING_HEAD: Final = 10
MW_PENDING_TAIL: Final = 11
MW_PENDING_SEQ: Final = 12  # the input whose outcomes are being flushed, 0 for none
MW_DIVERGED_SEQ: Final = 13  # first checkpoint whose digest was not ours
MW_CHECKPOINT_SEQ: Final = 14  # last checkpoint whose digest was ours
MW_TRADES: Final = 15
MW_COMMANDS: Final = 16
MW_FINAL_STATE: Final = 17
MW_BLOCK_FREE: Final = 18
MW_BLOCKS_USED: Final = 19
MW_BLOCKS: Final = 20
MW_SPECIAL_FREE: Final = 21  # first free row + 1 of the chain, 0 for none
MW_SPECIALS_USED: Final = 22
MW_SPECIALS: Final = 23  # stop orders and icebergs
MW_TYPE_COUNTS: Final = 24  # to 39
MW_REASON_COUNTS: Final = 40  # to 167
MW_COUNTED: Final = 168  # words up to here are shown in the control segment
MW_TIMERS: Final = 168  # entries of the heap of what is due by time, old ones included
MW_TIMED: Final = 169  # orders with GTD
MW_OUT_LIMIT: Final = 170  # the last output sequence that there is room for; -1: go to pending
MW_OUT_INDEX: Final = 171  # outcomes of this command so far
MW_TRADE_INDEX: Final = 172  # trades of this command so far
MW_AUCTIONS: Final = 173  # instruments in an auction
MW_TOUCHED_HEAD: Final = (
    174  # first and last instrument of the chain of those that changed in an auction, 0 for none
)
MW_TOUCHED_TAIL: Final = 175
MW_FEEDS: Final = 176  # instruments that have market data
MW_PARTITION: Final = 177  # which of the partitions this is, from 0; constant
MW_PARTITIONS: Final = 178  # how many there are; constant
MW_WARNING: Final = 179  # the limit that risk's verdict on this command warns of, 0 for none
MATCHING_WORDS: Final = 192

# Words of Merged.words: counters, cursor, digest, output and index have the places of MatchingState.words; beside them
GW_PLACE: Final = 192  # how many partitions have told all they have of the command under way
GW_TRADES: Final = 193  # trades that those made in it
GW_LAST_TRADE: Final = 194  # the highest number of a trade of the partition whose turn it is
GW_COUNT: Final = 195  # what the answers of those before it counted
GW_HEAD: Final = 200  # of each partition: the last outcome taken out of its lane,
GW_TAIL: Final = 208  # the last one seen in it,
GW_MATCHED: Final = 216  # and the last input that it had matched by then
MERGED_WORDS: Final = 224
