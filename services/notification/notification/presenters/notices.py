"""What outsiders are shown of notices: the address looked up where it is kept, and masked."""

from typing import Any

from notification.domain.notices.notice import Notice
from notification.domain.recipients.contact import Contact, masked


def notice(notice: Notice, contact: Contact | None) -> dict[str, Any]:
    return {
        "notice_id": notice.id,
        "type": notice.type,
        "about": notice.about,
        "audit_id": notice.audit_id,
        "certificate_number": notice.certificate_number,
        "party": {"kind": notice.party.kind, "id": notice.party.id},
        "contact_id": notice.contact_id,
        "address": masked(contact.address) if contact else None,
        "language": notice.language,
        "channel": notice.channel,
        "state": notice.state,
        "created_at": notice.created_at,
        "sent_at": notice.sent_at,
        "message_id": notice.message_id,
        "attempts": notice.attempts,
        "reply_code": notice.reply_code,
        "last_error": notice.last_error,
        "body_sha256": notice.body_sha256,
    }
