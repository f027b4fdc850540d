"""Indexes of the collections that every service's database has beside its own: inbox, outbox, idempotency, deadlines.

Field names are the contract between who provisions and the chassis that reads and writes:
`expires_at` is when a document may go; `pending` is true while an outbox row waits for the broker's confirm
(a partial index cannot say "is null"); `due_at` is when a deadline falls due.
Collections `leases` and `migrations` are small and are read by `_id` only.
"""

from touchstone_contracts.topology import Index

INBOX = "inbox"
OUTBOX = "outbox"
IDEMPOTENCY = "idempotency"
DEADLINES = "deadlines"
LEASES = "leases"
MIGRATIONS = "migrations"

BOOKKEEPING_INDEXES = (
    Index(collection=INBOX, keys=[("expires_at", 1)], expire_after_s=0),
    Index(collection=OUTBOX, keys=[("pending", 1), ("next_attempt_at", 1)], partial={"pending": True}),
    Index(collection=OUTBOX, keys=[("expires_at", 1)], expire_after_s=0),
    Index(collection=IDEMPOTENCY, keys=[("expires_at", 1)], expire_after_s=0),
    Index(collection=DEADLINES, keys=[("due_at", 1)]),
)
