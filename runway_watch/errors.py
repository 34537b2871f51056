"""Every error that crosses a module border, by whose fault it is.

    RunwayWatchError
    ├── ConfigError            the operator: the configuration cannot be used (exit code 78)
    ├── Refusal                the person who dropped the files: this drop can never work as it is
    ├── ApiError               Runway or the way there
    │   ├── Unreachable        the request surely never arrived: DNS, connect, TLS, no free connection
    │   ├── TurnedAway         429 or 503: it arrived and was surely not carried out
    │   ├── AnswerLost         it was sent and nobody knows: reset, timeout, 500, 502, 504, unreadable answer
    │   ├── Denied             401 or 403: the key
    │   ├── OutOfCredits       400 "not enough credits"
    │   ├── NotFound           404
    │   └── Rejected           any other 4xx: this request will never be accepted
    ├── TransferError          bytes on their way to or from Runway's storage
    │   ├── Interrupted        cut, stalled or refused for now: try again
    │   │   └── Away           the storage is not to be reached, or in trouble: it is about no file
    │   ├── Expired            the address is no longer valid: ask for a fresh one
    │   ├── Oversized          more bytes than allowed
    │   └── Changed            the file is not the one that was admitted
    ├── Exhausted              a file could not be looked into: too little time, or memory
    ├── SpoolError             the folder: a file could not be moved, read or written
    │   ├── NameTaken          the target name exists; nothing was replaced
    │   └── OutputGone         a fetched output vanished before it was filed
    └── LedgerError            the ledger cannot be used
        ├── NoLedger           there is none yet: the daemon has not run
        ├── LedgerLocked       another daemon has it (exit code 4)
        ├── Damaged            its file is broken (in `ledger.aside`)
        └── LostUpdate         a row was not in the state it was expected in

Adapters turn foreign exceptions into these; nothing above them sees httpx, SQLAlchemy or OSError.
"""

import errno
from collections.abc import Sequence


class RunwayWatchError(Exception):
    """The root of the tree above."""


class ConfigError(RunwayWatchError):
    """The configuration cannot be used.

    Args:
        problems: all of them, one sentence each, with the key and what to do.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Refusal(RunwayWatchError):
    """This drop can never work as it is.

    Args:
        code: a stable dotted code, such as `sidecar.invalid`.
        message: one sentence for the person who dropped it.
        hint: what to do about it.
        problems: every single problem, where there are several.
    """

    def __init__(self, code: str, message: str, *, hint: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)


class ApiError(RunwayWatchError):
    """Runway or the way there.

    Args:
        message: what happened, without secrets.
        status: the HTTP status, if there was an answer.
        retry_after: seconds that Runway asked us to wait, if it did.
        issues: single complaints about the request, if Runway listed any.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        issues: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.issues = tuple(issues)


class Unreachable(ApiError):
    """The request surely never arrived."""


class TurnedAway(ApiError):
    """It arrived and was surely not carried out: 429 or 503."""


class AnswerLost(ApiError):
    """It was sent, and nobody knows whether it was carried out."""


class Denied(ApiError):
    """The key is missing, wrong or revoked: 401 or 403."""


class OutOfCredits(ApiError):
    """The account has too few credits for this request."""


class NotFound(ApiError):
    """Runway does not know the thing: 404."""


class Rejected(ApiError):
    """This request will never be accepted as it is."""


class TransferError(RunwayWatchError):
    """Bytes on their way to or from Runway's storage."""


class Interrupted(TransferError):
    """Cut, stalled or refused for now: try again."""


class Away(Interrupted):
    """The storage is not to be reached, or in trouble of its own: that says nothing about the file."""


class Expired(TransferError):
    """The address is no longer valid: ask for a fresh one."""


class Oversized(TransferError):
    """More bytes than allowed."""


class Changed(TransferError):
    """The file is not the one that was admitted."""


class Exhausted(RunwayWatchError):
    """A file could not be looked into: it took too long, or the machine had no memory left."""


class SpoolError(RunwayWatchError):
    """A file could not be moved, read or written."""

    @classmethod
    def of(cls, error: OSError, where: object) -> "SpoolError":
        """What the system said, as one of these; `where` it happened, in case that it does not say."""
        return cls(f"{error.filename or where}: {error.strerror or error}")

    @property
    def is_full(self) -> bool:
        """Whether that was for want of room: other things on the disk are in the way, not the file."""
        return isinstance(self.__cause__, OSError) and self.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)


class NameTaken(SpoolError):
    """The target name exists; nothing was replaced."""


class OutputGone(SpoolError):
    """A fetched output vanished before it was filed: it has to be fetched again."""


class LedgerError(RunwayWatchError):
    """The ledger cannot be used."""


class NoLedger(LedgerError):
    """There is none yet: the daemon has not run."""


class LedgerLocked(LedgerError):
    """Another daemon has the ledger."""


class LostUpdate(LedgerError):
    """A row was not in the state it was expected in: another writer, or a bug. Nothing was changed."""
