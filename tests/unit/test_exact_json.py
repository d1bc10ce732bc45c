"""Exact JSON: no digit changes, and what is no JSON is one kind of error."""

import pytest

from tallystick.exact_json import dumps, loads


@pytest.mark.parametrize(
    "text",
    [
        b'{"quantity":0.10}',
        b'{"quantity":1.00000000000000000000001}',
        b"[12.0,1E+2,-0,0,-7,18446744073709551615,-9223372036854775808]",
        b"123456789012345678901234567890",
        b"9223372036854775808.5",
        '{"ä":"ö\\n"}'.encode(),
    ],
)
def test_what_was_written_is_written_again(text: bytes) -> None:
    assert dumps(loads(text)) == text


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"[Infinity]", b'"\xff"', b"[" * 100_000])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(text)


def test_half_of_a_pair_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        dumps(loads(b'"\\ud800"'))
