"""One identity out of several sources, and never out of two identities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp_s3_client.credentials.base import KnownCredentials
from aiohttp_s3_client.credentials.partial import PartialCredentials, incomplete_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("Combination", "combine", "merge_credentials")


def merge_credentials(*credentials: KnownCredentials | PartialCredentials) -> KnownCredentials:
    """Make one identity of several sources; the first that has a part (and it is not blank) gives it.

    Two identities are never mixed. The sources are read in order, and the first part found decides whose identity is
    sought. A source with an access key ID, secret or session token that differs from the one already taken is another
    identity, and gives nothing but its region. Once the ID and the secret are there, so is a source that repeats
    neither of them: nothing says that its session token belongs to them.

    Where no source has any part, asking the result raises a ``CredentialsError`` that says where was looked.

    Raises:
        ValueError: A part is missing; the message says which, and where the others come from.

    """
    combination = combine([source.found if isinstance(source, KnownCredentials) else source for source in credentials])
    if combination.found.parts and not combination.found.is_complete:
        raise ValueError(incomplete_message(combination.origins, combination.left_out))
    return KnownCredentials(combination.found)


@dataclass(frozen=True, slots=True)
class Combination:
    """What several sources say together, which source each part is from, and which held another identity."""

    found: PartialCredentials
    origins: Mapping[str, str]
    left_out: Sequence[str]


def combine(sources: Sequence[PartialCredentials]) -> Combination:
    """Put sources together as ``merge_credentials`` says, complete or not."""
    parts: dict[str, str] = {}
    origins: dict[str, str] = {}
    left_out: list[str] = []
    for source in sources:
        if not _belongs(source, parts):
            left_out.append(source.source)
            continue
        origins |= {name: source.source for name in source.parts if name not in parts}
        parts |= source.parts
    found = PartialCredentials(
        " and ".join(dict.fromkeys(origins.values())) or "nowhere",
        parts.get("access_key_id"),
        parts.get("secret_access_key"),
        parts.get("session_token"),
        next((source.region for source in sources if source.region), None),
        looked=tuple(line for source in sources for line in source.looked),
    )
    return Combination(found, origins, left_out)


def _belongs(source: PartialCredentials, taken: Mapping[str, str]) -> bool:
    """Say whether a source's parts can be of the identity of which ``taken`` is known."""
    if not source.parts:
        return True
    shared = source.parts.keys() & taken.keys()
    if any(source.parts[name] != taken[name] for name in shared):
        return False
    if "access_key_id" in taken and "secret_access_key" in taken:
        return "access_key_id" in shared or "secret_access_key" in shared
    return True
