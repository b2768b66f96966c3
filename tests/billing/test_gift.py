"""Codes: unguessable, readable, and found however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.billing import gift
from ferryman.billing.gift import ALPHABET, GiftState, hashed, made_up
from ferryman.kit.money import Money
from tests.billing.books import NOW


def test_a_code_is_sixteen_signs_that_nobody_mixes_up() -> None:
    code = made_up()
    assert [len(group) for group in code.split("-")] == [4, 4, 4, 4]
    assert not set("01OILUV") & set(ALPHABET)
    assert len({made_up() for _ in range(2000)}) == 2000


@pytest.mark.parametrize(
    "typed", ["abcd-efgh-2345-wxyz", "ABCDEFGH2345WXYZ", " abcd efgh\n2345 wxyz ", "AbCd–EfGh–2345–WxYz"]
)
def test_hyphens_spaces_and_case_do_not_matter(typed: str) -> None:
    assert hashed(typed) == hashed("ABCD-EFGH-2345-WXYZ")


@given(st.text(max_size=300))
def test_whatever_is_typed_has_a_hash_that_fits_no_code_by_chance(typed: str) -> None:
    assert len(hashed(typed)) == 64


def test_a_code_is_open_until_it_is_used_void_or_out_of_date() -> None:
    for change, opens in ((None, True), ("redeem", False), ("void", False), ("late", False)):
        row, code = gift.new(
            Money(5, "RUB"), None, None, NOW, by="x", why="", expires_at=NOW if change == "late" else None
        )
        assert (row.code_hash, row.state) == (hashed(code), GiftState.NEW)
        if change == "redeem":
            row.redeem(1, None, NOW)
        if change == "void":
            row.void(NOW)
        assert row.open(NOW) is opens
