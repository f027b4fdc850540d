"""Field types and checks of membership's own: codes that are data, languages and addresses."""

from collections.abc import Callable, Collection
from typing import Any

import pycountry
from email_validator import EmailNotValidError, validate_email
from marshmallow import fields, validate

from touchstone_contracts.countries import COUNTRIES
from touchstone_contracts.field_errors import fault


def one_of_data(name: str, codes: Callable[[], Collection[str]]) -> Callable[[str], None]:
    """A validator for codes that are data; reads them when first used."""

    def check(value: str) -> None:
        if value not in codes():
            raise fault(f"unknown_{name}", f"Must be one of: {', '.join(codes())}.")

    return check


def known_language(value: str) -> None:
    """A BCP 47 tag of an ISO 639 language and perhaps a country: `en`, `pt-BR`."""
    language, _, region = value.partition("-")
    known = language.islower() and (
        pycountry.languages.get(**{"alpha_2" if len(language) == 2 else "alpha_3": language}) is not None
    )
    if not known or value.endswith("-") or (region and region not in COUNTRIES):
        raise fault("unknown_language", "Must be a language tag such as `en` or `pt-BR`.")


class Address(fields.String):
    """An e-mail address, checked for its form only, in the ASCII form that every mail server takes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            checked = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
        except EmailNotValidError:  # its sentence quotes the address
            raise fault("invalid_address", "This is not an e-mail address that mail can be sent to.") from None
        return str(checked.ascii_email)


class Once(validate.Validator):
    """Refuses a list in which something stands twice."""

    def __call__(self, value: list[str]) -> list[str]:
        doubled = sorted({item for item in value if value.count(item) > 1})
        if doubled:
            raise fault("duplicate", f"Stands more than once: {', '.join(doubled)}.")
        return value


def page_limit() -> fields.Field:
    return fields.Integer(load_default=50, strict=True, validate=validate.Range(1, 200))
