"""The notification service: who is told what became of a certification, and whether the mail went out."""

from notification.entrypoints.announcements import AnnouncementEntrypoints
from notification.entrypoints.contacts import ContactEntrypoints
from notification.entrypoints.notices import NoticeEntrypoints
from notification.entrypoints.pending_work import PendingWorkEntrypoints
from notification.reconciliation import DECLARATIONS
from notification.schemas.settings import SettingsSchema
from notification.storage import announcements, contacts, notices
from touchstone_chassis.api import OperatorApi, Settings


class NotificationService(
    ContactEntrypoints, AnnouncementEntrypoints, NoticeEntrypoints, PendingWorkEntrypoints, OperatorApi
):
    """Tells the member, the body and the Secretariat what became of a certification."""

    name = "notification"
    indexes = (*contacts.INDEXES, *announcements.INDEXES, *notices.INDEXES)
    reconciliation = DECLARATIONS
    settings = Settings(SettingsSchema())
