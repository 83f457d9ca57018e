from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.erasure.needles import Needles

WORDS = st.text(alphabet="abAB01_-. /é", min_size=1, max_size=12)


@given(
    st.sets(WORDS.filter(lambda word: len(word.encode()) >= 6), min_size=1, max_size=8), st.lists(WORDS, max_size=20)
)
def test_it_finds_every_place_that_a_plain_search_finds(strings: set[str], around: list[str]) -> None:
    data = "".join(
        piece + one for piece, one in zip([*around, *[""] * len(strings)], [*strings, *around], strict=False)
    )
    encoded = data.encode()
    expected = {(place, one.encode()) for one in strings for place in range(len(encoded))
                if encoded.startswith(one.encode(), place)}  # fmt: skip
    assert set(Needles(strings).find(encoded, whole=False)) == expected


def test_a_name_is_not_found_in_a_longer_one() -> None:
    needles = Needles({"sunny.kai.04"})
    held = ["creator:sunny.kai.04", "@sunny.kai.04.", "x sunny.kai.04"]
    assert needles.rows([*held, "sunny.kai.045", "sunny.kai.04.b"]) == {0, 1, 2}


def test_a_hash_is_found_in_the_name_of_a_file_and_in_no_longer_hash() -> None:
    sha = "ab" * 32
    assert Needles({sha}).rows([f"data/{sha}-200.jpg", f"{sha}0", f"{sha[:20]}"]) == {0}


def test_what_is_short_is_not_looked_for_inside_others() -> None:
    assert Needles({"bob"}).rows(["bob", "x/bob"]) == set()
