"""Events of the notification service."""

import datetime

from touchstone_contracts.registry import detail, event
from touchstone_contracts.values import Party


@event(
    "notification.notice_sent",
    version=1,
    subject="notice_id",
    summary="A notice was taken by the mail server. Carries no address.",
    words="notice of {notice_type} sent to {contact_id}",
)
class NoticeSent:
    notice_id: str = detail("The notice.", example="ntc-1c", public=True)
    notice_type: str = detail("The kind of event that it tells of.", example="certificate_issued", public=True)
    about: str = detail("Id of the event that it tells of.", example="3f0c", public=True)
    audit_id: str | None = detail(
        "The audit that it goes back to, where there is one.", example="aud-7f3a", default=None, public=True
    )
    contact_id: str = detail("Who was told.", example="qatalum-sustainability", public=True)
    party: Party = detail("On whose behalf.", example={"kind": "member", "id": "qatalum"}, public=True)
    channel: str = detail("How.", example="email")
    sent_at: datetime.datetime = detail("When the mail server took it.", example="2026-03-05T09:00:01+00:00")
