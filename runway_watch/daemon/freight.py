"""Media on their way to Runway: each content once, also when many jobs that use it start together."""

import asyncio
from collections.abc import Mapping
from weakref import WeakValueDictionary

from runway_watch import clock
from runway_watch.daemon.bench import Bench
from runway_watch.hands import Hands
from runway_watch.job import Done, Job, Outcome
from runway_watch.stages.upload import Parcel, parcels, upload

FRESH_SECONDS = 23 * 3600.0
"""How long an upload is relied upon: Runway keeps it for 24 h (docs, assets/uploads)."""


class Freight:
    """Brings a job's media to Runway, and knows what lies there already."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._uploads = asyncio.Semaphore(bench.settings.limits.uploads)
        self._on_the_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def bring(self, job: Job) -> Outcome:
        """Upload what does not lie there yet. Done when everything does."""
        spool = self._bench.spool(job)
        for parcel in parcels(job, spool):
            lock = self._on_the_way.setdefault(parcel.key, asyncio.Lock())
            async with lock:
                outcome = await self._bring(parcel, spool.hands)
            if not isinstance(outcome, Done):
                return outcome
        return Done({"uploaded_at": clock.now()})

    async def lying_at_runway(self, job: Job) -> Mapping[str, str] | None:
        """Where a job's media lie, by how its parameters call them; None when one has to be renewed."""
        found: dict[str, str] = {}
        for parcel in parcels(job, self._bench.spool(job)):
            uri = await self._known(parcel)
            if uri is None:
                return None
            found[parcel.written] = uri
        return found

    async def forget(self, job: Job) -> None:
        """Have a job's media uploaded anew when they are wanted again: Runway may have lost them early."""
        for parcel in parcels(job, self._bench.spool(job)):
            ledger, account = self._bench.ledger, self._bench.api.fingerprint
            await self._bench.clerk.insist(ledger.forget_upload, account, parcel.key)

    async def _bring(self, parcel: Parcel, hands: Hands) -> Outcome:
        if await self._known(parcel) is not None:
            return Done()
        async with self._uploads:
            outcome = await upload(parcel, api=self._bench.api, courier=self._bench.courier, hands=hands)
        if isinstance(outcome, Done):
            account, uri = self._bench.api.fingerprint, outcome.facts["uri"]
            ledger = self._bench.ledger
            await self._bench.clerk(ledger.uploaded, account, parcel.key, uri=uri, at=clock.now())
        return outcome

    async def _known(self, parcel: Parcel) -> str | None:
        since = clock.now() - FRESH_SECONDS
        account = self._bench.api.fingerprint
        return await self._bench.clerk(self._bench.ledger.upload, account, parcel.key, since=since)
