"""The tree: published answers, then the definitions of RFC 9162 §2.1 as an oracle, then hostile proofs."""

from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from storage.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The reference tree of Certificate Transparency: kInputs, kSHA256Roots, kSHA256Paths and kSHA256Proofs in
# cpp/merkletree/merkle_tree_test.cc of github.com/google/certificate-transparency. RFC 9162 kept its hashing.
# The source counts leaves from 1; here, as in the RFC, they count from 0.
BODIES = [
    bytes.fromhex(body)
    for body in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
PATHS = {  # (index, size): PATH
    (0, 1): "",
    (0, 8): "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    (5, 8): "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    (2, 3): "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    (1, 5): "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
}
PROOFS = {  # (first, second): PROOF
    (1, 1): "",
    (1, 8): "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    (6, 8): "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    (2, 5): "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
}
REFERENCE = [leaf_hash(body) for body in BODIES]
SEVEN = [leaf_hash(b"d%d" % number) for number in range(7)]

a_leaf = st.binary(min_size=32, max_size=32)
different_leaves = st.lists(a_leaf, min_size=1, max_size=40, unique=True)


def hashes(joined: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(joined[at : at + 64]) for at in range(0, len(joined), 64))


def split(size: int) -> int:
    """k of §2.1.1, the largest power of two smaller than size, found by counting."""
    k = 1
    while 2 * k < size:
        k *= 2
    return k


def mth(leaves: list[bytes]) -> bytes:
    """MTH as §2.1.1 defines it, over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH as §2.1.3.1 defines it."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF as §2.1.4.1 defines it; PROOF(m, D) is SUBPROOF(m, D, true)."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def turns(m: int, size: int) -> str:
    """On which side each node of PATH(m, D[size]) lies: all that the verifier learns from index and size."""
    if size == 1:
        return ""
    k = split(size)
    return turns(m, k) + "right " if m < k else turns(m - k, size - k) + "left "


def subturns(m: int, size: int, whole: bool = True) -> str:
    """The same for PROOF(m, D[size]), after where it starts: at the old root or at a node it brings."""
    if m == size:
        return "root " if whole else "node "
    k = split(size)
    return subturns(m, k, whole) + "right " if m <= k else subturns(m - k, size - k, False) + "left "


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value, "big") ^ 1 << bit % 256).to_bytes(32, "big")


def one_bit_off(values: list[bytes], bit: int) -> list[bytes]:
    """The same hashes with a single bit flipped, anywhere among them."""
    place = bit // 256 % len(values)
    return [*values[:place], flipped(values[place], bit), *values[place + 1 :]]


# Published answers


@pytest.mark.parametrize("size", range(9))
def test_the_reference_tree_has_its_published_root_at_every_size(size):
    assert root_of(REFERENCE[:size]) == ROOTS[size]
    grown = Frontier()
    for leaf in REFERENCE[:size]:
        grown = grown.append(leaf)
    assert grown.root() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_a_published_inclusion_proof_is_made_and_accepted(index, size):
    proof = hashes(PATHS[index, size])
    assert inclusion_proof(REFERENCE, index, size) == proof
    assert verify_inclusion(REFERENCE[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize(("first", "second"), PROOFS)
def test_a_published_consistency_proof_is_made_and_accepted(first, second):
    proof = hashes(PROOFS[first, second])
    assert consistency_proof(REFERENCE, first, second) == proof
    assert verify_consistency(first, second, ROOTS[first], ROOTS[second], proof)


def test_the_seven_leaf_example_of_the_standard_comes_out_as_drawn():
    """RFC 9162 §2.1.5: hash = (k, l), k = (g, h), l = (i, j), g = (a, b), h = (c, d), i = (e, f), j = d6."""
    a, b, c, d, e, f, j = SEVEN
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l = node_hash(g, h), node_hash(i, j)  # noqa: E741 - the standard's letter
    assert root_of(SEVEN) == node_hash(k, l)
    assert inclusion_proof(SEVEN, 0, 7) == (b, h, l)
    assert inclusion_proof(SEVEN, 3, 7) == (c, g, l)
    assert inclusion_proof(SEVEN, 4, 7) == (f, j, k)
    assert inclusion_proof(SEVEN, 6, 7) == (i, k)
    assert consistency_proof(SEVEN, 3, 7) == (c, d, g, l)
    assert consistency_proof(SEVEN, 4, 7) == (l,)
    assert consistency_proof(SEVEN, 6, 7) == (i, j, k)


def test_the_proof_between_three_and_seven_leaves_rebuilds_both_roots():
    """§2.1.5: the hashes c and g give hash0; c, d, g and l give hash."""
    c, d, g, rest = consistency_proof(SEVEN, 3, 7)
    assert node_hash(g, c) == root_of(SEVEN[:3])
    assert node_hash(node_hash(g, node_hash(c, d)), rest) == root_of(SEVEN)


def test_a_body_that_looks_like_two_hashes_is_not_taken_for_a_node():
    left, right = SEVEN[:2]
    assert leaf_hash(left + right) != node_hash(left, right)
    assert leaf_hash(b"") != EMPTY_ROOT


# The definitions as an oracle


@given(st.lists(a_leaf, max_size=70))
def test_the_frontier_has_the_root_that_the_definition_gives(leaves):
    grown = Frontier()
    for leaf in leaves:
        grown = grown.append(leaf)
    assert grown.root() == root_of(leaves) == mth(leaves)
    assert grown.size == len(leaves)


@given(st.lists(a_leaf, max_size=70), st.integers(0, 70))
def test_a_batch_grows_the_tree_as_its_leaves_would_one_by_one(leaves, cut):
    grown = Frontier().extend(leaves[:cut])
    for leaf in leaves[cut:]:
        grown = grown.append(leaf)
    assert grown == Frontier().extend(iter(leaves)) == Frontier().extend(leaves[:cut]).extend(leaves[cut:])


@given(st.lists(a_leaf, min_size=1, max_size=70))
def test_the_peaks_are_the_perfect_subtrees_from_the_left_the_largest_first(leaves):
    peaks, start = [], 0
    for bit in reversed(range(8)):
        if len(leaves) & 1 << bit:
            peaks.append(mth(leaves[start : start + (1 << bit)]))
            start += 1 << bit
    assert Frontier().extend(leaves).peaks == tuple(peaks)


@given(different_leaves, st.data())
def test_every_leaf_is_proved_included_at_every_size(leaves, data):
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(leaves, index, size)
    assert list(proof) == path(index, leaves[:size])
    assert verify_inclusion(leaves[index], index, size, proof, mth(leaves[:size]))


@given(different_leaves, st.data())
def test_every_tree_is_proved_to_extend_every_earlier_one(leaves, data):
    second = data.draw(st.integers(1, len(leaves)))
    first = data.draw(st.integers(1, second))
    proof = consistency_proof(leaves, first, second)
    assert list(proof) == subproof(first, leaves[:second])
    assert verify_consistency(first, second, mth(leaves[:first]), mth(leaves[:second]), proof)


def test_every_proof_between_trees_of_up_to_forty_leaves_is_accepted():
    leaves = [leaf_hash(bytes([number])) for number in range(40)]
    roots = [mth(leaves[:size]) for size in range(41)]
    for size in range(1, 41):
        for index in range(size):
            assert verify_inclusion(
                leaves[index], index, size, inclusion_proof(leaves, index, size), roots[size]
            )
            assert verify_consistency(
                index, size, roots[index], roots[size], consistency_proof(leaves, index, size)
            )


# Hostile proofs


@given(different_leaves, st.data())
def test_one_flipped_bit_anywhere_makes_an_inclusion_proof_fail(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    good = [leaves[index], mth(leaves), *inclusion_proof(leaves, index, len(leaves))]
    leaf, root, *proof = one_bit_off(good, data.draw(st.integers(0, 256 * len(good) - 1)))
    assert not verify_inclusion(leaf, index, len(leaves), proof, root)


@given(different_leaves, st.data())
def test_one_flipped_bit_anywhere_makes_a_consistency_proof_fail(leaves, data):
    second = len(leaves)
    first = data.draw(st.integers(1, second))
    good = [mth(leaves[:first]), mth(leaves), *consistency_proof(leaves, first, second)]
    old, new, *proof = one_bit_off(good, data.draw(st.integers(0, 256 * len(good) - 1)))
    assert not verify_consistency(first, second, old, new, proof)


@given(different_leaves, st.data())
def test_a_proof_for_one_leaf_never_serves_another_place_or_another_leaf(leaves, data):
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size + 3))
    assume(other != index)
    proof = inclusion_proof(leaves, index, size)
    assert not verify_inclusion(leaves[index], other, size, proof, mth(leaves))
    if other < size:
        assert not verify_inclusion(leaves[other], index, size, proof, mth(leaves))


@given(different_leaves, st.data())
def test_a_wrong_size_fails_an_inclusion_proof_whenever_it_changes_a_turn_of_the_path(leaves, data):
    """A root does not say its size. With every turn the same, only a checkpoint's signature can tell."""
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    wrong = data.draw(st.integers(index + 1, 2 * size + 3))
    verdict = verify_inclusion(leaves[index], index, wrong, inclusion_proof(leaves, index, size), mth(leaves))
    assert verdict == (turns(index, wrong) == turns(index, size))


@given(different_leaves, st.data())
def test_wrong_sizes_fail_a_consistency_proof_whenever_they_change_a_turn_of_it(leaves, data):
    second = len(leaves)
    assume(second > 1)
    first = data.draw(st.integers(1, second - 1))
    high = data.draw(st.integers(2, 2 * second + 3))
    low = data.draw(st.integers(1, high - 1))
    proof = consistency_proof(leaves, first, second)
    verdict = verify_consistency(low, high, mth(leaves[:first]), mth(leaves), proof)
    assert verdict == (subturns(low, high) == subturns(first, second))


def test_a_size_is_worth_only_the_signature_beside_its_root():
    three = root_of(SEVEN[:3])
    proof = inclusion_proof(SEVEN, 0, 3)
    assert verify_inclusion(SEVEN[0], 0, 3, proof, three)
    assert verify_inclusion(SEVEN[0], 0, 4, proof, three), (
        "a known limit of the standard, which callers must cover"
    )
    assert not verify_inclusion(SEVEN[0], 0, 2, proof, three)
    assert not verify_inclusion(SEVEN[0], 0, 5, proof, three)


@given(different_leaves, st.data())
def test_a_proof_with_a_hash_too_many_or_too_few_fails(leaves, data):
    second = len(leaves)
    first = data.draw(st.integers(1, second))
    old, new, extra = mth(leaves[:first]), mth(leaves), data.draw(a_leaf | st.sampled_from(leaves))
    included = inclusion_proof(leaves, first - 1, second)
    extended = consistency_proof(leaves, first, second)
    for longer in ((*included, extra), (extra, *included), (*included, new)):
        assert not verify_inclusion(leaves[first - 1], first - 1, second, longer, new)
    for longer in ((*extended, extra), (extra, *extended), (*extended, new)):
        assert not verify_consistency(first, second, old, new, longer)
    if included:
        assert not verify_inclusion(leaves[first - 1], first - 1, second, included[:-1], new)
        assert not verify_inclusion(leaves[first - 1], first - 1, second, included[1:], new)
    if extended:
        assert not verify_consistency(first, second, old, new, extended[:-1])
        assert not verify_consistency(first, second, old, new, extended[1:])
        assert not verify_consistency(first, second, old, new, ())


def test_a_proof_that_goes_on_above_the_root_fails():
    """The path ends at a root of its own making: only step 4a of §2.1.3.2 (6a of §2.1.4.2) sees that."""
    above = SEVEN[6]
    included = (*inclusion_proof(SEVEN, 0, 4), above)
    extended = (*consistency_proof(SEVEN, 3, 4), above)
    new = root_of(SEVEN[:4])
    assert not verify_inclusion(SEVEN[0], 0, 4, included, node_hash(above, new))
    assert not verify_inclusion(SEVEN[0], 0, 4, included, node_hash(new, above))
    assert not verify_consistency(3, 4, node_hash(above, root_of(SEVEN[:3])), node_hash(above, new), extended)


def test_an_inner_node_passes_for_no_leaf_once_the_size_is_known():
    inner = node_hash(*SEVEN[:2])
    assert not verify_inclusion(inner, 0, 4, inclusion_proof(SEVEN, 0, 4)[1:], root_of(SEVEN[:4]))


def test_a_rewritten_log_has_no_proof_that_it_extends_the_old_one():
    rewritten = [leaf_hash(b"other"), *SEVEN[1:]]
    for first in range(1, 7):
        for proof in (consistency_proof(SEVEN, first, 7), consistency_proof(rewritten, first, 7)):
            assert not verify_consistency(first, 7, root_of(SEVEN[:first]), root_of(rewritten), proof)


def test_a_shortened_log_does_not_extend_the_longer_one():
    assert not verify_consistency(7, 6, root_of(SEVEN), root_of(SEVEN[:6]), consistency_proof(SEVEN, 6, 7))
    assert not verify_consistency(7, 6, root_of(SEVEN), root_of(SEVEN), ())
    assert not verify_consistency(1, 0, SEVEN[0], EMPTY_ROOT, ())
    # The loop of §2.1.4.2 alone would accept this one.
    assert not verify_consistency(6, 5, ROOTS[6], ROOTS[6], (node_hash(*REFERENCE[4:6]), ROOTS[4]))


def test_two_roots_of_one_size_are_consistent_only_when_equal():
    assert verify_consistency(7, 7, root_of(SEVEN), root_of(SEVEN), ())
    assert not verify_consistency(7, 7, root_of(SEVEN), root_of(SEVEN[::-1]), ())
    assert not verify_consistency(6, 7, root_of(SEVEN), root_of(SEVEN), ())
    assert not verify_consistency(4, 4, ROOTS[4], ROOTS[4], (ROOTS[4],))
    # The loop of §2.1.4.2 alone would accept this one.
    assert not verify_consistency(6, 6, ROOTS[6], ROOTS[6], (node_hash(*REFERENCE[4:6]), ROOTS[4]))


def test_every_tree_extends_the_empty_one_and_only_that_one_root_is_empty():
    assert verify_consistency(0, 7, EMPTY_ROOT, root_of(SEVEN), consistency_proof(SEVEN, 0, 7))
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, ())
    assert not verify_consistency(0, 7, SEVEN[0], root_of(SEVEN), ())
    assert not verify_consistency(0, 7, EMPTY_ROOT, root_of(SEVEN), (SEVEN[0],))
    assert not verify_consistency(0, 0, EMPTY_ROOT, SEVEN[0], ())
    assert not verify_consistency(0, 0, SEVEN[0], SEVEN[0], ())


def test_an_empty_tree_includes_nothing():
    assert not verify_inclusion(SEVEN[0], 0, 0, (), SEVEN[0])
    assert not verify_inclusion(EMPTY_ROOT, 0, 0, (), EMPTY_ROOT)


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-1, 9)
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=40)
    | a_leaf
)
any_proof = anything | st.lists(anything, max_size=6) | st.dictionaries(a_leaf, a_leaf, max_size=2)


@given(anything, anything, anything, anything, any_proof)
def test_the_verifiers_answer_whatever_they_are_given_and_never_raise(one, two, three, four, proof):
    assert verify_inclusion(one, two, three, proof, four) is False or (one == four and (two, three) == (0, 1))
    assert verify_consistency(two, three, one, four, proof) in (True, False)


@given(st.lists(a_leaf, max_size=6), st.integers(-3, 9), st.integers(-3, 9))
def test_hashes_at_random_prove_nothing(proof, low, high):
    assert not verify_inclusion(SEVEN[0], low, high, proof, SEVEN[1])
    assert not verify_consistency(low, high, SEVEN[0], SEVEN[1], proof)


@pytest.mark.parametrize("index", [-1, 1, MAX_SIZE, MAX_SIZE + 1, 0.0, False, None, "0"])
def test_an_index_outside_the_tree_is_refused(index):
    assert verify_inclusion(SEVEN[0], 0, 1, (), SEVEN[0])
    assert not verify_inclusion(SEVEN[0], index, 1, (), SEVEN[0])


@pytest.mark.parametrize("size", [-1, 2**64, 2**5000, 1.0, True, None, "1"])
def test_a_size_that_no_tree_has_is_refused(size):
    assert not verify_inclusion(SEVEN[0], 0, size, (), SEVEN[0])
    assert not verify_consistency(size, size, SEVEN[0], SEVEN[0], ())


@pytest.mark.parametrize("proof", [None, 1, "", b"x", {ROOTS[2]: 1}, {ROOTS[2]}, [None], [ROOTS[2].hex()]])
def test_a_proof_that_is_no_list_of_hashes_is_refused(proof):
    assert verify_inclusion(REFERENCE[2], 2, 3, [ROOTS[2]], ROOTS[3])
    assert not verify_inclusion(REFERENCE[2], 2, 3, proof, ROOTS[3])
    assert not verify_consistency(2, 3, ROOTS[2], ROOTS[3], proof)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_another_length_is_refused_wherever_it_stands(length):
    wrong = bytes(length)
    assert not verify_inclusion(wrong, 0, 1, (), wrong)
    assert not verify_inclusion(SEVEN[0], 0, 2, (wrong,), node_hash(SEVEN[0], wrong))
    assert not verify_consistency(1, 1, wrong, wrong, ())
    assert not verify_consistency(1, 2, SEVEN[0], node_hash(SEVEN[0], wrong), (wrong,))
    with pytest.raises(ValueError, match="a leaf has 32 bytes"):
        Frontier().append(wrong)
    with pytest.raises(ValueError, match="a leaf has 32 bytes"):
        Frontier().extend([SEVEN[0], wrong])


# Keeping and asking


@given(st.lists(a_leaf, max_size=70))
def test_a_frontier_comes_back_from_its_bytes(leaves):
    grown = Frontier().extend(leaves)
    assert Frontier.from_bytes(grown.size, grown.to_bytes()) == grown
    assert grown.to_bytes() == b"".join(grown.peaks)


@given(st.integers(-8, 300), st.integers(0, 300))
def test_bytes_that_are_not_exactly_the_peaks_of_a_size_are_refused(size, length):
    assume(size < 0 or length != 32 * size.bit_count())
    with pytest.raises(ValueError, match="no tree of"):
        Frontier.from_bytes(size, bytes(length))


@pytest.mark.parametrize(
    ("size", "peaks"),
    [(1, ()), (0, (SEVEN[0],)), (3, (SEVEN[0],)), (-1, (SEVEN[0],)), (3, (bytes(31), bytes(33)))],
)
def test_a_frontier_that_no_log_can_have_cannot_be_built(size, peaks):
    with pytest.raises(ValueError, match="no tree of"):
        Frontier(size, peaks)


def test_a_log_ends_at_the_largest_size_the_standard_can_write():
    full = Frontier(MAX_SIZE, (SEVEN[0],) * 64)
    with pytest.raises(ValueError, match="no tree of"):
        full.append(SEVEN[1])


def test_growing_a_frontier_leaves_the_old_one_as_it_was():
    before = Frontier().extend(SEVEN)
    peaks = before.peaks
    before.append(SEVEN[0])
    before.extend(SEVEN)
    assert (before.size, before.peaks) == (7, peaks)


@pytest.mark.parametrize(("index", "size"), [(-1, 7), (7, 7), (0, 0), (0, 8), (3, 3)])
def test_a_proof_is_not_made_for_a_leaf_that_is_not_there(index, size):
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(SEVEN, index, size)


@pytest.mark.parametrize(("first", "second"), [(-1, 7), (5, 4), (0, 8), (8, 8)])
def test_a_proof_is_not_made_between_trees_that_are_not_there(first, second):
    with pytest.raises(ValueError, match="no tree of"):
        consistency_proof(SEVEN, first, second)
