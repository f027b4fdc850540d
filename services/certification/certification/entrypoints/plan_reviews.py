"""What assessment announces of corrective action plans: kept as the newest word, and the audit's case is looked at."""

from typing import Any

from certification.application.translation import review_of
from certification.storage.jobs import Jobs
from certification.storage.plan_reviews import PlanReviews
from touchstone_chassis.api import Stored, on_event
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.events.assessment import CorrectiveActionPlanReviewed


class PlanReviewEntrypoints:
    clock: Any
    plan_reviews = Stored(PlanReviews)
    jobs = Stored(Jobs)

    @on_event(CorrectiveActionPlanReviewed, handler="note_plan_review")
    def note_plan_review(self, event: CorrectiveActionPlanReviewed, envelope: Envelope) -> None:
        self.plan_reviews.keep(review_of(event), envelope.sequence)
        self.jobs.review(event.audit_id, envelope.correlationid, at=self.clock.now())
