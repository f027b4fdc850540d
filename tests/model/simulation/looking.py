"""Takes the picture that the checks judge."""

from collections.abc import Iterator

from simulation.checks import Picture, Trace
from simulation.system import System


def picture_of(system: System) -> Picture:
    documents = system.documents
    return Picture(
        today=system.clock.today(),
        events=[row["message"] for row in system.emitted.values()],
        traces=list(_traces(system)),
        versions=system.versions,
        skipped=system.skipped,
        audits=documents("assessment", "audits"),
        cases=documents("certification", "cases"),
        certificates=documents("certification", "certificates"),
        mandates=documents("certification", "mandates"),
        rule_sets=documents("certification", "rule_sets"),
        notices=documents("notification", "notices"),
        sent=system.sent,
        parked=system.parked,
    )


def _traces(system: System) -> Iterator[Trace]:
    """Each event with each of its consumers. An event of several versions is one event."""
    queued = {(message.queue, message.about) for message in system.bus.waiting}
    pending = {
        row["_id"]
        for p in system.processes.values()
        for row in p.database["outbox"].find({"pending": True}, {"_id": 1})
    }
    inboxes = {name: set(process.database["inbox"].kept) for name, process in system.processes.items()}
    for id, row in system.emitted.items():
        for queue in system.bus.queues_of(row["type"]):
            consumer = queue.partition(".")[0]
            handler, _, newest = system.processes[consumer].events[queue]
            if f"{consumer}.{handler.entrypoint.handler_of(newest)}/{id}" in inboxes[consumer]:
                state = "processed"
            elif id in pending:
                state = "pending"
            else:
                state = "queued" if (queue, id) in queued else "lost"
            yield Trace(id, row["type"], consumer, state)
