"""The tree over the log. One root stands for every event so far; a short proof ties an event to it.

SHA-256 Merkle trees as RFC 9162 §2.1 defines them, as pure functions. Bodies enter through `leaf_hash` only:
everywhere else a leaf is its 32-byte leaf hash. A root does not say how many leaves it covers, and some wrong
sizes verify like the right one: trust a size only where it was signed with its root, as in a checkpoint.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256

HASH_BYTES = 32
MAX_SIZE = 2**64 - 1  # tree_size is a uint64 (§4.9); this also bounds what a hostile size can cost
EMPTY_ROOT = sha256(b"").digest()  # MTH({}) (§2.1.1)


def leaf_hash(body: bytes) -> bytes:
    """Hash one entry of any length into its leaf: SHA-256(0x00 ‖ body), 32 bytes (§2.1.1)."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two 32-byte children into their parent: SHA-256(0x01 ‖ left ‖ right), 32 bytes (§2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """What a tree must remember to grow: its size in leaves, and the roots of the perfect subtrees over them.

    Largest first, 32 bytes each, one for every bit set in `size` (the compact range from 0); else ValueError.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE or [*map(len, self.peaks)] != [HASH_BYTES] * self.size.bit_count():
            raise ValueError(f"no tree of {self.size} leaves has peaks of {[*map(len, self.peaks)]} bytes")

    def append(self, leaf: bytes) -> "Frontier":
        """Add one leaf hash: amortised one hash, at most 63. ValueError unless it is 32 bytes."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """Add leaf hashes in order, none of them kept. ValueError unless each is 32 bytes."""
        peaks, size = list(self.peaks), self.size
        for leaf in leaves:
            if len(leaf) != HASH_BYTES:
                raise ValueError(f"a leaf has {HASH_BYTES} bytes, not {len(leaf)}: hash its body first")
            node, carry = leaf, size
            while carry & 1:  # one merge for every bit that counting up carries
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        """MTH of the leaves so far, 32 bytes; of none, SHA-256 of the empty string (§2.1.1)."""
        return reduce(lambda right, left: node_hash(left, right), reversed(self.peaks or (EMPTY_ROOT,)))

    def to_bytes(self) -> bytes:
        """The peaks end to end, 32 bytes each. Keep `size` beside them."""
        return b"".join(self.peaks)

    @classmethod
    def from_bytes(cls, size: int, packed: bytes) -> "Frontier":
        """Undo `to_bytes`. ValueError unless `packed` holds exactly the peaks that `size` leaves make."""
        return cls(size, tuple(packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """MTH over leaf hashes, 32 bytes (§2.1.1)."""
    return Frontier().extend(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int, size: int) -> tuple[bytes, ...]:
    """PATH(index, D[size]), lowest first (§2.1.3.1). ValueError unless 0 ≤ index < size ≤ len(leaves)."""
    if not 0 <= index < size <= len(leaves):
        raise ValueError(f"no leaf {index} in a tree of {size}, with {len(leaves)} leaves at hand")
    path, start, end = list[bytes](), 0, size
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)  # left: the largest power of two that fits
        left, right = slice(start, middle), slice(middle, end)
        path.insert(0, root_of(leaves[right if index < middle else left]))
        start, end = (start, middle) if index < middle else (middle, end)
    return tuple(path)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf` is number `index` from 0 of the `size` leaves under `root` (§2.1.3.2). Never raises."""
    well_formed = _well_formed(index, size, (leaf, root), proof) and index < size
    return well_formed and _climb(index, size - 1, leaf, proof)[1:] == (root, 0)


def consistency_proof(leaves: Sequence[bytes], first: int, second: int) -> tuple[bytes, ...]:
    """PROOF(first, D[second]), lowest first (§2.1.4.1). ValueError unless 0 ≤ first ≤ second ≤ len(leaves).

    The path of the last old leaf, from the old tree's smallest peak up. That peak leads, unless it is the old
    tree's root, which the verifier has. Empty from no leaves to any, and from a tree to itself.
    """
    if not 0 <= first <= second <= len(leaves):
        raise ValueError(f"no tree of {first} in a tree of {second}, with {len(leaves)} leaves at hand")
    if first in (0, second):
        return ()
    peak = first & -first
    path = inclusion_proof(leaves, first - 1, second)[peak.bit_length() - 1 :]
    return path if peak == first else (root_of(leaves[first - peak : first]), *path)


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the tree under `second_root` only adds to the one under `first_root` (§2.1.4.2). Never raises.

    Beyond the section's 0 < first < second, a tree extends itself and the empty tree, by an empty proof.
    """
    if not _well_formed(first, second, (first_root, second_root), proof):
        return False
    if first == 0:
        return not proof and first_root == EMPTY_ROOT and (second > 0 or second_root == EMPTY_ROOT)
    if first == second or not proof:
        return not proof and (first, first_root) == (second, second_root)
    peak = first & -first
    seed, *path = (first_root, *proof) if peak == first else proof
    return _climb((first - 1) // peak, (second - 1) // peak, seed, path) == (first_root, second_root, 0)


def _climb(fn: int, sn: int, seed: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes, int]:
    """The loop of §2.1.3.2 and §2.1.4.2, in their names: (fr, sr, sn). sn is 0 if the length fits."""
    fr = sr = seed
    for node in path:
        if sn == 0:
            return fr, sr, -1
        if fn & 1 or fn == sn:
            fr, sr = node_hash(node, fr), node_hash(node, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, node)
        fn, sn = fn >> 1, sn >> 1
    return fr, sr, sn


def _well_formed(low: int, high: int, roots: Sequence[bytes], proof: Sequence[bytes]) -> bool:
    if not (type(low) is type(high) is int and 0 <= low <= high <= MAX_SIZE and isinstance(proof, Sequence)):
        return False
    return all(isinstance(each, bytes) and len(each) == HASH_BYTES for each in (*roots, *proof))
