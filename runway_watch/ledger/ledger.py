"""The ledger: what is known of every job, on disk before anybody relies on it.

Every method is one transaction. A move names the state it starts from; if the row is not in it, nothing
changes and LostUpdate is raised. History is written in the same transaction as the move it tells of.
Methods block (SQLite syncs to disk): an event loop calls them in a thread.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select, update

from runway_watch.decide import Move
from runway_watch.errors import LostUpdate
from runway_watch.job import LIVE_STATES, Generation, Input, Job, Place, State, Verdict
from runway_watch.ledger import charges
from runway_watch.ledger.charges import Charges
from runway_watch.ledger.holding import Holding
from runway_watch.ledger.memory import Memory
from runway_watch.ledger.moments import Moments
from runway_watch.ledger.queue import Queue
from runway_watch.ledger.rows import from_job, plain, row_of
from runway_watch.ledger.schema import charges as charged
from runway_watch.ledger.schema import generations, history, jobs
from runway_watch.ledger.sharing import Sharing
from runway_watch.reviving import Revived
from runway_watch.states import advance, of_job

_NOTED = ("task_id", "attempt", "reason", "message", "credits", "status")
"""Values that the history keeps of a move."""

RETURNS = {State.RETIRING: "fail", State.COLLECTING: "recollect"}
"""How a job that was over comes back, by where it goes; to anywhere else it is released."""


class Ledger(Queue, Sharing, Moments, Memory, Charges, Holding):
    """An open ledger; see `Database` for how it is opened."""

    def admit(
        self, admitted: Iterable[tuple[Job, Sequence[Generation]]], *, roots: Collection[str] | None = None
    ) -> list[Job]:
        """Write down new jobs, all or none. Their files are still where they were dropped.

        Args:
            admitted: jobs with their generations, the first first.
            roots: those that somebody looks after; None for all.

        Returns:
            The jobs, each with the one whose result it is to share.
        """
        new = list(admitted)
        with self._writing() as db:
            wished = self._wished(db, [job.wish for job, _ in new])
            written = [(job, calls) for job, calls in new if job.wish not in wished]
            _write(db, written)
            for job, calls in new:
                if job.wish in wished:  # one by one, for they may follow each other
                    at = max(job.accepted_at, calls[0].due_at)
                    written.append((self._joining(db, job, at=at, roots=roots), calls))
                    _write(db, written[-1:])
        return [job for job, _ in written]

    def readmit(self, revived: Revived, *, was: Job, at: float, roots: Collection[str] | None = None) -> Job:
        """Replace a job that is over or held by what its files say now; the history goes on.

        Args:
            revived: as it is now. What its earlier calls cost goes along with them.
            was: the job as it was; one that has ended once more since is another.
            at: the moment.
            roots: those that somebody looks after; None for all.

        Returns:
            The job, with the one whose result it is to share.

        Raises:
            LostUpdate: it is not in the state it was believed to be in.
            IllegalMove: it may not come back from there.
        """
        job, calls = revived.job, revived.calls
        event = RETURNS.get(job.state, "release")
        if event == "recollect" and was.state not in (State.FAILED, State.CANCELLED):
            event = "release"  # it was not over: what is left of it is only fetched
        advance(was.state, event)
        with self._writing() as db:
            job = self._joining(db, job, at=max(at, calls[0].due_at), roots=roots)
            guarded = update(jobs).where(jobs.c.id == job.id, jobs.c.state == was.state)
            guarded = guarded.where(jobs.c.finished_at.is_not_distinct_from(was.finished_at))
            _exactly_one(db.execute(guarded.values(from_job(job))).rowcount, job.id)
            db.execute(delete(generations).where(generations.c.job == job.id))
            db.execute(insert(generations), [row_of(job, call) for call in calls])
            _renumber(db, job, revived.heirs)
            _tell(db, job.id, at=at, event=event, was=was.state, state=job.state)
        return job

    def aim(self, job: Job, *, target: Place | None, name: str | None) -> Job:
        """Commit where the job's files are about to be taken, and under which name; None: they stay."""
        with self._writing() as db:
            return self._set_job(db, job, {"target": target, "target_name": name})

    def arrived(self, arrivals: Iterable[Job]) -> None:
        """Commit that the files of these jobs are where they were to be taken, all or none."""
        rows = [
            plain({"i": job.id, "was": job.place, "place": job.target, "name": job.target_name})
            for job in arrivals
        ]
        its = (jobs.c.id == bindparam("i")) & (jobs.c.place == bindparam("was"))
        arrive = update(jobs).where(its).values(target=None, target_name=None)
        if not rows:
            return
        with self._writing() as db:
            if db.execute(arrive, rows).rowcount != len(rows):
                raise LostUpdate(f"not all of {', '.join(row['i'] for row in rows)} are where they were")

    def arrived_without(self, job: Job, verdict: Verdict, *, at: float) -> None:
        """Commit that a job's files have arrived incomplete, and that it ends with this verdict."""
        place = {"place": job.target, "name": job.target_name, "target": None, "target_name": None}
        calls = self.calls(job.id)
        with self._writing() as db:
            for call in calls:
                if call.state is not State.RETIRING:  # that one has its verdict
                    self._move(db, call, Move("fail", {"verdict": verdict, "due_at": at}), at)
            self._set_job(db, job, place)

    def judge(self, job: Job, verdict: Verdict, inputs: Sequence[Input]) -> None:
        """Replace the verdict on a job that is over, and remember the files that it was passed on."""
        with self._writing() as db:
            self._set_job(db, job, {"verdict": verdict, "inputs": tuple(inputs)})

    def swept(self, job: Job) -> None:
        """Remember how often a failed job has been swept, though it could not be brought back."""
        with self._writing() as db:
            self._set_job(db, job, {"sweeps": job.sweeps})

    def retire(self, job: Job, calls: Sequence[Generation], *, at: float, told: bool = True) -> Job:
        """Commit the end of a job with the arrival of its files; `told`: who sees them can know of it."""
        over = {"place": job.target, "name": job.target_name, "target": None, "target_name": None}
        with self._writing() as db:
            for call in calls:
                self._move(db, call, Move(ending(call, job), {}), at)
            state = State(db.scalar(select(jobs.c.state).where(jobs.c.id == job.id)) or "")
            told_at = at if told else None
            values = over | {"finished_at": at, "verdict": job.verdict, "told_at": told_at}
            db.execute(update(jobs).where(jobs.c.id == job.id).values(plain(values)))
        return replace(job, place=job.target or job.place, state=state, finished_at=at, told_at=told_at)

    def told(self, job: Job, *, at: float) -> None:
        """Remember that a person who sees the files of a job can read why it does not go on."""
        with self._writing() as db:
            self._set_job(db, job, {"told_at": at})

    def move(self, moves: Iterable[tuple[Generation, Move]], *, at: float) -> list[Generation]:
        """Carry out moves, all or none, and return the generations as they are now.

        Raises:
            LostUpdate: one of them was not in the state that it was believed to be in.
            IllegalMove: the state table has no such row.
        """
        with self._writing() as db:
            return [self._move(db, generation, move, at) for generation, move in moves]

    def note(self, generation: Generation, changes: Mapping[str, Any]) -> Generation:
        """Change values that are no move: where a generation stands stays as it is."""
        with self._writing() as db:
            _exactly_one(db.execute(_guarded(generation).values(plain(changes))).rowcount, generation.job)
        return replace(generation, **changes)

    def hasten(self, *, at: float) -> None:
        """Let everything that waits because Runway could not be asked go on now."""
        row = generations.c
        begun = row.state.in_(["uploading", "running", "collecting"]) & (row.due_at > at)
        waits = begun & (func.coalesce(row.reason, "running") != "running")
        with self._writing() as db:
            db.execute(update(generations).where(waits).values(due_at=at))

    def hasten_below(self, root: str, *, at: float) -> None:
        """Let everything that waits because a root was in trouble go on now."""
        row = generations.c
        here = row.job.in_(select(jobs.c.id).where(jobs.c.root == root))
        waits = (row.reason == "share") & row.state.in_(sorted(LIVE_STATES)) & (row.due_at > at)
        with self._writing() as db:
            db.execute(update(generations).where(here, waits).values(due_at=at))

    def _move(self, db: Connection, generation: Generation, move: Move, at: float) -> Generation:
        state = advance(generation.state, move.event)
        values = plain(dict(move.changes)) | {"state": state.value}
        _exactly_one(db.execute(_guarded(generation).values(values)).rowcount, generation.job)
        charges.follow(db, generation, move, at=at)
        self._follow(db, generation.job)
        changed = {key: move.changes[key] for key in _NOTED if key in move.changes}
        code = move.changes["verdict"].code if move.changes.get("verdict") else None
        note = {key: value for key, value in (changed | {"code": code}).items() if value is not None}
        told = {"at": at, "event": move.event, "was": generation.state, "state": state, "note": note}
        if told["was"] is not state or move.changes.get("attempt"):
            _tell(db, generation.job, generation.n, **told)
        return replace(generation, **{**move.changes, "state": state})

    def _follow(self, db: Connection, job_id: str) -> None:
        """Let the job stand where its least advanced generation stands. What it does is news to everybody."""
        states = db.scalars(select(generations.c.state).where(generations.c.job == job_id)).all()
        state = of_job(State(s) for s in states)
        db.execute(update(jobs).where(jobs.c.id == job_id).values(state=state.value, told_at=None))

    def _set_job(self, db: Connection, job: Job, changes: Mapping[str, Any]) -> Job:
        guarded = update(jobs).where(jobs.c.id == job.id, jobs.c.place == job.place)
        _exactly_one(db.execute(guarded.values(plain(changes))).rowcount, job.id)
        return replace(job, **changes)


def _write(db: Connection, new: Sequence[tuple[Job, Sequence[Generation]]]) -> None:
    """Write new jobs down, each with the first line of its history."""
    if not new:
        return
    db.execute(insert(jobs), [from_job(job) for job, _ in new])
    db.execute(insert(generations), [row_of(job, call) for job, calls in new for call in calls])
    db.execute(insert(history), [_beginning(job) for job, _ in new])


def _renumber(db: Connection, job: Job, heirs: Mapping[int, int]) -> None:
    """Let what earlier calls cost belong to those that go on with them."""
    if moved := {was: n for was, n in heirs.items() if was != n}:
        n = case(moved, value=charged.c.n, else_=charged.c.n)
        db.execute(update(charged).where(charged.c.job == job.id).values(n=n))


def _tell(db: Connection, job: str, n: int = 0, **told: Any) -> None:
    """Add a line to the history of a job, or of its n-th generation."""
    db.execute(insert(history), plain({"note": {}} | told | {"job": job, "n": n}))


def _beginning(job: Job) -> dict[str, Any]:
    event, note = "refused" if job.verdict else "accepted", {"path": job.path}
    told = {"at": job.accepted_at, "event": event, "was": job.state, "state": job.state, "note": note}
    return {"job": job.id, "n": 0} | {key: plain(value) for key, value in told.items()}


def _guarded(generation: Generation) -> Any:
    return update(generations).where(
        generations.c.job == generation.job,
        generations.c.n == generation.n,
        generations.c.state == generation.state,
    )


def ending(call: Generation, job: Job) -> str:
    """How a generation ends with its job: what was cancelled with others that had failed is cancelled."""
    if call.outputs:
        return "done"
    verdict = job.verdict or call.verdict
    return "cancelled" if verdict is not None and verdict.code == "cancelled" else "failed"


def _exactly_one(rows: int, job: str) -> None:
    if rows != 1:
        raise LostUpdate(f"job {job} is not in the state it was expected in")
