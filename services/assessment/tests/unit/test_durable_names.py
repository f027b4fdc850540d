"""The names by which the inbox knows what was handled: another name, and a message would be carried out twice."""

from assessment.service import AssessmentService
from touchstone_chassis.handlers.entrypoint import entrypoints_of
from touchstone_chassis.handlers.messages import OnMessage


def test_the_inbox_knows_messages_by_names_that_stay() -> None:
    names = {entrypoint.queue: entrypoint.handler for entrypoint in entrypoints_of(AssessmentService, OnMessage)}

    assert names == {"assessment.intake": "submit_by_message"}
