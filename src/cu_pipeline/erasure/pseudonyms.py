"""Names in the place of those that are erased, where a ledger needs that something was there."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex

_HASH = re.compile(r"[0-9a-f]{16,}")


@dataclass(frozen=True)
class Pseudonyms:
    """Names by a keyed hash: equal names have equal ones, and nobody gets back from them once the key is gone.

    Attributes:
        key: that the hash depends on; it is in the journal alone, and goes with it.
        entries: keys of ledgers that follow from others' keys -> what they are under these keys' pseudonyms.
    """

    key: str = field(default_factory=lambda: token_hex(32), repr=False)
    entries: Mapping[str, str] = field(default_factory=dict, repr=False)

    def of(self, name: str) -> str:
        """Name what stands for another: hexadecimal of the same length for a hash, so that readers take it.

        >>> Pseudonyms("k").of("ab" * 8) == Pseudonyms("k").of("ab" * 8), len(Pseudonyms("k").of("ab" * 8))
        (True, 16)
        >>> Pseudonyms("k").of("anna")[:7]
        'erased-'
        """
        if name in self.entries:
            return self.entries[name]
        digest = hmac.new(bytes.fromhex(self.key) if len(self.key) == _KEY else self.key.encode(),
                          name.encode("utf-8", "surrogatepass"), "sha512").hexdigest()  # fmt: skip
        return digest[: len(name)] if _HASH.fullmatch(name) and len(name) <= len(digest) else f"erased-{digest[:16]}"


_KEY = 64
