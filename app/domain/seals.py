"""Making a record tamper-evident.

Each entry stands under a code that only the installation's key can make, each run of entries is chained to the one
before.

Source: FIPS 198-1 (HMAC) with SHA-256; the chaining is that of a hash chain, so that no run can be taken out.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

ID_BYTES: Final = 16
CODE_BYTES: Final = 32
GENESIS: Final = "0" * 64
PURPOSE: Final = b"dosetrail audit seal"


@dataclass(frozen=True, slots=True)
class SealKey:
    """A key to make codes with; derived, so that it can do nothing else than seal."""

    value: bytes

    @classmethod
    def of(cls, secret: str) -> "SealKey":
        """Return the key that belongs to an installation's secret."""
        return cls(hmac.digest(secret.encode(), PURPOSE, "sha256"))

    @property
    def id(self) -> str:
        """What a seal names its key by; it gives nothing of it away."""
        return hashlib.sha256(self.value).hexdigest()[:16]

    def code(self, content: bytes) -> bytes:
        """Return the authentication code of some content."""
        return hmac.digest(self.value, content, "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One run of entries as it was sealed."""

    sequence: int
    last_entry_id: str
    entries: bytes
    mac: str
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong, and with which entry; None where a whole run is concerned."""

    entry_id: str | None
    what: str


def sealed(entries: Sequence[tuple[str, bytes]], *, sequence: int, previous_mac: str, key: SealKey) -> Seal:
    """Return the seal of entries (id, canonical content) in id order, which follows the one with `previous_mac`."""
    packed = b"".join(UUID(id_).bytes + key.code(content) for id_, content in entries)
    return Seal(
        sequence=sequence,
        last_entry_id=entries[-1][0],
        entries=packed,
        mac=_mac(packed, sequence=sequence, previous_mac=previous_mac, key=key),
        key_id=key.id,
    )


def first_fault(
    seal: Seal,
    entries: Iterable[tuple[str, bytes]],
    *,
    sequence: int,
    previous_mac: str,
    keys: Mapping[str, SealKey],
) -> Finding | None:
    """Return the first thing wrong with a seal and the entries now in its range; None: all is as it was sealed."""
    if seal.sequence != sequence:
        return Finding(entry_id=None, what=f"seal {sequence} is missing")
    key = keys.get(seal.key_id)
    if key is None:
        return Finding(entry_id=None, what=f"seal {sequence} was made with another key ({seal.key_id})")
    codes = _unpacked(seal.entries)
    fault = _first_entry_fault(codes, entries, key)
    if fault is not None:
        return fault
    expected = _mac(seal.entries, sequence=sequence, previous_mac=previous_mac, key=key)
    if not hmac.compare_digest(expected, seal.mac):
        first = next(iter(codes), None)
        return Finding(
            entry_id=first, what=f"seal {sequence}, which begins here, does not follow from the one before"
        )
    return None


def _first_entry_fault(
    codes: Mapping[str, bytes], entries: Iterable[tuple[str, bytes]], key: SealKey
) -> Finding | None:
    found = dict(entries)
    for id_ in sorted(codes.keys() | found.keys()):
        if id_ not in found:
            return Finding(entry_id=id_, what="was deleted")
        if id_ not in codes:
            return Finding(entry_id=id_, what="was inserted into the past")
        if not hmac.compare_digest(codes[id_], key.code(found[id_])):
            return Finding(entry_id=id_, what="was changed after it was sealed")
    return None


def _unpacked(packed: bytes) -> dict[str, bytes]:
    size = ID_BYTES + CODE_BYTES
    runs = (packed[start : start + size] for start in range(0, len(packed), size))
    return {str(UUID(bytes=run[:ID_BYTES])): run[ID_BYTES:] for run in runs if len(run) == size}


def _mac(packed: bytes, *, sequence: int, previous_mac: str, key: SealKey) -> str:
    return key.code(b"%d." % sequence + previous_mac.encode() + b"." + packed).hex()
