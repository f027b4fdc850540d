"""The Prometheus metrics of a service, and how they are printed."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

MESSAGES_HANDLED = Counter(
    "touchstone_messages_handled",
    "Messages taken from a queue, by what became of them.",
    ["service", "queue", "outcome"],
)
HANDLER_SECONDS = Histogram(
    "touchstone_handler_seconds",
    "Time from taking a message or call to its commit.",
    ["service", "entrypoint"],
    buckets=_SECONDS,
)
RPC_REQUESTS = Counter(
    "touchstone_rpc_requests", "Calls answered; outcome is `ok` or the error's code.", ["method", "outcome"]
)
OUTBOX_PENDING = Gauge("touchstone_outbox_pending", "Committed events that the broker has not confirmed yet.")
OUTBOX_OLDEST_AGE_S = Gauge("touchstone_outbox_oldest_age_seconds", "Age of the oldest unconfirmed event.")
IN_STEP_AGE_S = Gauge(
    "touchstone_in_step_age_seconds", "Since when not everything of a producer is known to be handled.", ["producer"]
)
EVENTS_LACKING = Gauge(
    "touchstone_events_lacking", "Events that a producer has committed and that are not handled here.", ["producer"]
)
PUBLISHED = Counter("touchstone_published", "Events handed to the broker, by its answer.", ["outcome"])
COMMIT_GROUP = Histogram(
    "touchstone_commit_group_size", "Units of work in one transaction.", buckets=(1, 2, 4, 8, 16, 32, 64)
)
DEAD_LETTERS = Counter("touchstone_dead_letters", "Messages dead-lettered, by queue and reason.", ["queue", "reason"])
DEAD_LETTERS_KEPT = Counter(
    "touchstone_dead_letters_kept", "Dead letters written to the database for an operator.", ["service"]
)
PUT_BACK = Counter(
    "touchstone_messages_put_back", "Messages that the broker gave up and no handler was at fault for.", ["queue"]
)
DEADLINES_RUN = Counter(
    "touchstone_deadlines_run", "Durable deadlines handled, by kind and outcome.", ["kind", "outcome"]
)


def exposition() -> bytes:
    """Every metric of this process in Prometheus' text format (see CONTENT_TYPE)."""
    return generate_latest(REGISTRY)
