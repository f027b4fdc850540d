"""The collections that every service's database has beside its own, and their indexes: inbox, outbox and the like.

Field names are the contract between who provisions and the chassis that reads and writes:
`expires_at` is when a document may go; `pending` is true while an outbox row waits for the broker's confirm
(a partial index cannot say "is null"); `due_at` is when a deadline falls due. A dead letter has a
`state`, and is listed by it and one of the other filters, oldest `parked_at` first. Whoever follows a case finds
events by `subject`, by `causation_id` and by `recorded_at`, and their dead letters by `event_id`.
`events` is the log: it only grows, an event is inserted once and never changed. That it went out once more stands
beside it, in `republications`; how many of each type there are, in `event_counts`, which is read by `_id` only.
Collections `leases`, `migrations`, `backfills`, `heartbeats` and `handled_counts` are small and are read whole or by
`_id`; `restores` has a document for each restore.
`counted` is false for what was handled (inbox) or discarded (dead letters) and is not among the `handled_counts` yet.
"""

from touchstone_contracts.topology import Index

INBOX = "inbox"
OUTBOX = "outbox"
EVENTS = "events"
EVENT_COUNTS = "event_counts"
REPUBLICATIONS = "republications"
IDEMPOTENCY = "idempotency"
DEADLINES = "deadlines"
LEASES = "leases"
MIGRATIONS = "migrations"
DEAD_LETTERS = "dead_letters"
DEAD_LETTER_PARTS = "dead_letter_parts"
STARTS = "starts"
RESTORES = "restores"
BACKFILLS = "backfills"
HEARTBEATS = "heartbeats"
HANDLED_COUNTS = "handled_counts"
READINESS = "readiness"
SEQUENCES = "sequences"

WRITTEN = (
    INBOX,
    OUTBOX,
    IDEMPOTENCY,
    DEADLINES,
    LEASES,
    DEAD_LETTERS,
    DEAD_LETTER_PARTS,
    STARTS,
    READINESS,
    SEQUENCES,
    EVENT_COUNTS,
    BACKFILLS,
    HEARTBEATS,
    HANDLED_COUNTS,
)
"""What a service reads, writes and removes from."""
APPENDED = (EVENTS, REPUBLICATIONS)
"""What a service reads and adds to: what stands in it is never changed or removed, by nobody."""
READ = (RESTORES,)
"""What a service reads, and whoever restores its database writes. `migrations` belongs to provisioning alone."""

SANDBOX, CLOCK = "sandbox", "clock"
"""The database `<prefix>_sandbox` has one collection; every service of a sandbox reads there how its clock is moved."""

HALF_RESTORED = {"finished": False, "superseded_by": None}
"""Finds in `restores` what was begun, has not come to its end, and was not made good by a later one."""

VERSIONS_SKIPPED = 1_000_000
"""How far the versions of all aggregates are raised when a database is restored: what was announced after the backup
had versions that must not come again, since consumers keep the newest that they saw."""

_PARKED_ORDER = (("parked_at", 1), ("_id", 1))

BOOKKEEPING_INDEXES = (
    Index(collection=INBOX, keys=[("expires_at", 1)], expire_after_s=0),
    Index(collection=INBOX, keys=[("counted", 1)], partial={"counted": False}),
    Index(collection=OUTBOX, keys=[("pending", 1), ("next_attempt_at", 1)], partial={"pending": True}),
    Index(collection=OUTBOX, keys=[("expires_at", 1)], expire_after_s=0),
    Index(collection=OUTBOX, keys=[("recorded_at", 1), ("_id", 1)]),
    Index(collection=OUTBOX, keys=[("subject", 1), ("recorded_at", 1)]),
    Index(collection=EVENTS, keys=[("recorded_at", 1), ("_id", 1)]),
    Index(collection=EVENTS, keys=[("subject", 1), ("sequence", 1), ("_id", 1)]),
    Index(collection=EVENTS, keys=[("causation_id", 1), ("recorded_at", 1)]),
    Index(collection=REPUBLICATIONS, keys=[("event_id", 1), ("published_at", 1)]),
    Index(collection=IDEMPOTENCY, keys=[("expires_at", 1)], expire_after_s=0),
    Index(collection=DEADLINES, keys=[("due_at", 1)]),
    Index(collection=DEAD_LETTERS, keys=[("state", 1), *_PARKED_ORDER]),
    Index(collection=DEAD_LETTERS, keys=[("state", 1), ("queue", 1), *_PARKED_ORDER]),
    Index(collection=DEAD_LETTERS, keys=[("state", 1), ("event_type", 1), *_PARKED_ORDER]),
    Index(collection=DEAD_LETTERS, keys=[("state", 1), ("reason", 1), *_PARKED_ORDER]),
    Index(collection=DEAD_LETTERS, keys=[("counted", 1)], partial={"counted": False}),
    Index(collection=DEAD_LETTERS, keys=[("event_id", 1)]),
    Index(collection=DEAD_LETTERS, keys=[("message_id", 1)]),
    Index(collection=DEAD_LETTERS, keys=[("expires_at", 1)], expire_after_s=0),
    Index(collection=STARTS, keys=[("expires_at", 1)], expire_after_s=0),
)
