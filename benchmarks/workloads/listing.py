"""One listing of a large bucket, from the first page to the last."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from shared.objects import LISTED_COUNT, READ_FOLDER, listed_objects, small_name
from workloads.base import WrongResultError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contenders.base import AsyncClient, BlockingClient, Page
    from shared.job import Job
    from workloads.meter import Meter


class Listing:
    """All pages in turn, on a connection that is open: a GET goes first."""

    async def run_async(self, client: AsyncClient, _job: Job, meter: Meter) -> int:
        """List by the client's asynchronous iterator."""
        await client.get(small_name(READ_FOLDER, 0))
        with meter:
            pages = [page async for page in client.pages()]
        return _checked_count(pages)

    def run_blocking(self, client: BlockingClient, _job: Job, meter: Meter) -> int:
        """List by the client's iterator, in this thread."""
        client.get(small_name(READ_FOLDER, 0))
        with meter:
            pages = list(client.pages())
        return _checked_count(pages)


def _checked_count(pages: Iterable[Page]) -> int:
    pairs = itertools.zip_longest(itertools.chain.from_iterable(pages), listed_objects())
    for listed, expected in pairs:
        if listed != expected:
            message = f"the listing has {listed}, where the bucket has {expected}"
            raise WrongResultError(message)
    return LISTED_COUNT
