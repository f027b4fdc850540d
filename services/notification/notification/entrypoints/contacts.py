"""What membership announces of contacts: learned, and compared with what happened before."""

from typing import Any

from notification.application.catch_up import ContactCatchUp
from notification.application.send_again import not_outdated
from notification.application.translation import contact_of
from notification.domain.recipients.contact import learn
from notification.storage.contacts import Contacts
from notification.storage.jobs import CATCH_UP, Jobs
from touchstone_chassis.api import Job, Stored, on_event, on_job
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.events.membership import ContactChanged


class ContactEntrypoints:
    settings: Any
    clock: Any
    contacts = Stored(Contacts)
    jobs = Stored(Jobs)
    contact_catch_up = Stored(ContactCatchUp)

    @on_event(ContactChanged, handler="learn_contact", copies=True)
    def learn_contact(self, event: ContactChanged, envelope: Envelope) -> None:
        known = self.contacts.get(event.contact_id)
        contact = learn(known, contact_of(event, envelope))
        if contact is None:
            return
        now = self.clock.now()
        self.contacts.save(contact)
        if known is not None and contact.mends(known):
            self.jobs.send_again(contact, due_at=now, after=not_outdated(now))
        # Only after this commit is it certain that an event which does not see the contact yet will be seen itself.
        self.jobs.catch_up(contact.id, contact.changes[-1], due_at=now)

    @on_job(CATCH_UP)
    def catch_up(self, job: Job) -> None:
        self.contact_catch_up.look_again(job.payload, now=self.clock.now(), settings=self.settings)
