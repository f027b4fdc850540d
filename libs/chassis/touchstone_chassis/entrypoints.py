"""The entrypoints of a service: commands, queries, events, messages and deadlines."""

from touchstone_chassis.handlers.events import on_event
from touchstone_chassis.handlers.messages import on_message
from touchstone_chassis.rpc.server import command, query
from touchstone_chassis.scheduling.scheduler import Deadline, on_deadline

__all__ = ["Deadline", "command", "on_deadline", "on_event", "on_message", "query"]
