//! KRaft's quorum, as far as one voter goes: its election, its log of metadata, and its snapshots.
