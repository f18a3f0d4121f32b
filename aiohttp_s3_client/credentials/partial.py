"""What one source says of an identity, perhaps not all of it, and the words for what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp_s3_client.models import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ("PartialCredentials", "incomplete_message", "missing_message")

_REQUIRED: Final = ("access_key_id", "secret_access_key")
_FIELDS: Final = (*_REQUIRED, "session_token", "region")
# A key with a line end behind it, as files and variables often have it, only ever gives SignatureDoesNotMatch.
_UNUSABLE: Final = re.compile(r"\A\s|\s\Z|[\x00-\x1f\x7f]")
_CURE: Final = (
    "Give access_key_id= and secret_access_key=, put them into the URL (https://KEY:SECRET@host), set "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write them into a profile; for requests without a signature "
    "say anonymous=True"
)


@dataclass(frozen=True, slots=True)
class PartialCredentials:
    """What one source says of an identity; any part of it may be absent, and a blank part counts as absent.

    Attributes:
        source: Where the parts are from, in words that a user knows: ``environment (AWS_ACCESS_KEY_ID)``.
        access_key_id: The public name of the key.
        secret_access_key: What requests are signed with; not in ``repr``.
        session_token: The proof of temporary credentials; not in ``repr``.
        region: The region that the source names.
        looked: One line for each place that was looked at in vain, for the error when no source has anything.

    Raises:
        TypeError: A part is not a str.
        ValueError: A part has whitespace at an end, or a control character: no key has, and a signature fails.

    """

    source: str
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    looked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Turn blank into absent, and refuse what cannot be part of an identity."""
        for name in _FIELDS:
            value: object = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, str):
                raise TypeError(f"{name} of {self.source} is a {type(value).__name__}, not a str")
            if not value.strip():
                object.__setattr__(self, name, None)
            elif _UNUSABLE.search(value):
                raise ValueError(
                    f"{name} of {self.source} has whitespace at an end, or a control character: take it out"
                )

    @property
    def parts(self) -> dict[str, str]:
        """The parts of the identity that are there, by name; the region is not one."""
        parts = {
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "session_token": self.session_token,
        }
        return {name: value for name, value in parts.items() if value is not None}

    @property
    def is_complete(self) -> bool:
        """Whether requests can be signed with it."""
        return self.access_key_id is not None and self.secret_access_key is not None

    @property
    def problem(self) -> str:
        """Why requests cannot be signed with it, and the cure."""
        if not self.parts:
            return missing_message(self.looked)
        return incomplete_message(dict.fromkeys(self.parts, self.source))

    def complete(self) -> Credentials | None:
        """Give the whole identity, or None where a part is missing."""
        if self.access_key_id is None or self.secret_access_key is None:
            return None
        return Credentials(self.access_key_id, self.secret_access_key, self.session_token)


def missing_message(looked: Iterable[str]) -> str:
    """Say that no identity was found, in which places, and what to do."""
    places = "".join(f"\n- {line}" for line in looked)
    return f"no credentials found. Looked at:{places}\n{_CURE}"


def incomplete_message(sources: Mapping[str, str], left_out: Iterable[str] = ()) -> str:
    """Say which part of an identity is missing, and where those that are there (by name) come from."""
    missing = " and ".join(name for name in _REQUIRED if name not in sources)
    present = ", ".join(f"{name} is from {source}" for name, source in sources.items())
    others = "".join(f"; {source} has another identity, which was left out" for source in left_out)
    return (
        f"credentials are incomplete: no {missing}, while {present}{others}. "
        "Give access_key_id and secret_access_key together, or none of the parts"
    )
