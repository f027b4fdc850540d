"""Field types and checks for what comes from outside: texts, ids, codes and addresses."""

import unicodedata
from collections.abc import Callable, Collection
from typing import Any

import pycountry
from email_validator import EmailNotValidError, validate_email
from marshmallow import ValidationError, fields, validate

_INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def coded(code: str, message: str) -> ValidationError:
    return ValidationError({"code": code, "message": message})


class Text(fields.String):
    """Text of one line for people: stripped, in Unicode's composed form, without characters that cannot be seen."""

    def __init__(self, *, length_max: int = 200, **kwargs: Any):
        super().__init__(validate=validate.Length(1, length_max), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs).strip())
        if any(unicodedata.category(c) in _INVISIBLE or c in _BIDI_CONTROLS for c in text):
            raise coded("unprintable", "Line breaks and control characters are not allowed.")
        return text


class Slug(fields.String):
    """An id: 2 to 64 lower-case letters, digits and hyphens, beginning with a letter or digit."""

    def __init__(self, **kwargs: Any):
        rule = validate.Regexp(
            r"[a-z0-9][a-z0-9-]{1,63}\Z",
            error="An id has 2 to 64 lower-case letters, digits and hyphens and begins with a letter or digit.",
        )
        super().__init__(validate=rule, **kwargs)


def one_of_data(name: str, codes: Callable[[], Collection[str]]) -> Callable[[str], None]:
    """A validator for codes that are data; reads them when first used."""

    def check(value: str) -> None:
        if value not in codes():
            raise coded(f"unknown_{name}", f"Must be one of: {', '.join(codes())}.")

    return check


def known_country(value: str) -> None:
    """ISO 3166-1 alpha-2, as it stands in the standard: two capitals."""
    found = pycountry.countries.get(alpha_2=value)
    if found is None or found.alpha_2 != value:
        raise coded("unknown_country", "Must be an ISO 3166-1 alpha-2 code in capitals, such as QA.")


def known_language(value: str) -> None:
    """A BCP 47 tag of an ISO 639 language and perhaps a country: `en`, `pt-BR`."""
    language, _, region = value.partition("-")
    known = language.islower() and (
        pycountry.languages.get(**{"alpha_2" if len(language) == 2 else "alpha_3": language}) is not None
    )
    if known and region:
        found = pycountry.countries.get(alpha_2=region)
        known = found is not None and found.alpha_2 == region
    if not known or value.endswith("-"):
        raise coded("unknown_language", "Must be a language tag such as `en` or `pt-BR`.")


class Address(fields.String):
    """An e-mail address, checked for its form only, in the ASCII form that every mail server takes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            checked = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
        except EmailNotValidError:  # its sentence quotes the address
            raise coded("invalid_address", "This is not an e-mail address that mail can be sent to.") from None
        return str(checked.ascii_email)


class Once(validate.Validator):
    """Refuses a list in which something stands twice."""

    def __call__(self, value: list[str]) -> list[str]:
        doubled = sorted({item for item in value if value.count(item) > 1})
        if doubled:
            raise coded("duplicate", f"Stands more than once: {', '.join(doubled)}.")
        return value


class Truth(fields.Boolean):
    """true or false; neither numbers nor texts pass for one."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


def country_code() -> fields.Field:
    return fields.String(required=True, validate=known_country)


def page_limit() -> fields.Field:
    return fields.Integer(load_default=50, strict=True, validate=validate.Range(1, 200))
