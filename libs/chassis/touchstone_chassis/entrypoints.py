"""The entrypoints of a service: commands, queries, events, messages and deadlines."""

from touchstone_chassis.deadlines import Deadline, on_deadline
from touchstone_chassis.events import on_event
from touchstone_chassis.messages import on_message
from touchstone_chassis.rpc import command, query

__all__ = ["Deadline", "command", "on_deadline", "on_event", "on_message", "query"]
