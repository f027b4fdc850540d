"""A moment on the wire: a time with its zone that UTC has, too."""

import datetime
from typing import Any

from marshmallow import fields

from touchstone_contracts.codec.fields import Inner
from touchstone_contracts.codec.source import NotSure, Take


class Moment(fields.AwareDateTime):
    """The year 9999 ends earlier elsewhere: what lies outside UTC's years, no database could keep or compare."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime.datetime:
        moment: datetime.datetime = super()._deserialize(value, *args, **kwargs)
        try:
            moment.astimezone(datetime.UTC)
        except OverflowError:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from None
        return moment

    def quick_deserialize(self, inner: Inner) -> Take:
        read = datetime.datetime.fromisoformat
        is_iso = self.DESERIALIZATION_FUNCS.get(self.format or self.DEFAULT_FORMAT) == read

        def take(value: Any) -> datetime.datetime:
            if is_iso and type(value) is str and (moment := read(value)).tzinfo is not None and 1 < moment.year < 9999:
                return moment
            raise NotSure

        return take
