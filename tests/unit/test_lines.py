"""Blocks of lines: nothing lost, nothing cut that could matter, memory that a line's length does not govern."""

import io
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.files.lines import LINE_BYTES_MAX, line_blocks

LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=20)


@given(lines=LINES, block_bytes=st.integers(1, 40), ended=st.booleans())
def test_blocks_hold_every_byte_and_count_lines(lines: list[bytes], block_bytes: int, ended: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    blocks = list(line_blocks(io.BytesIO(data), block_bytes))
    assert b"".join(block.data for block in blocks) == data
    seen = b""
    for block in blocks:
        assert block.first_line == seen.count(b"\n") + 1
        assert block is blocks[-1] or block.data.endswith(b"\n")
        seen += block.data
    assert not blocks or blocks[-1].end_offset == len(data)


EVENT_BYTES_MAX = 65_536
PARTS = st.lists(
    st.tuples(st.sampled_from([b" ", b"\t", b"x"]), st.sampled_from([1, 7, EVENT_BYTES_MAX, LINE_BYTES_MAX])),
    max_size=5,
)


@settings(max_examples=50, deadline=None)
@given(parts=PARTS, block_bytes=st.sampled_from([1 << 16, 1 << 19, 1 << 21]))
def test_a_long_line_is_cut_but_its_outcome_stays(parts: list[tuple[bytes, int]], block_bytes: int) -> None:
    line = b"".join(letter * count for letter, count in parts)
    blocks = list(line_blocks(io.BytesIO(b"a\n" + line + b"\nb\n"), block_bytes))
    first, kept, last, end = b"".join(block.data for block in blocks).split(b"\n")
    assert (first, last, end) == (b"a", b"b", b"")
    if len(line.strip()) <= EVENT_BYTES_MAX:
        assert kept.strip() == line.strip()
    else:
        assert len(kept.strip()) > EVENT_BYTES_MAX


class _LongLine(io.RawIOBase):
    """A line of any length that is never in memory as a whole."""

    def __init__(self, length: int) -> None:
        self._left = length

    def read(self, size: int = -1, /) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return b"x" * size


def test_memory_does_not_follow_the_length_of_a_line() -> None:
    block_bytes = 1 << 20
    tracemalloc.start()
    try:
        (block,) = line_blocks(_LongLine(100 << 20), block_bytes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(block.data) <= LINE_BYTES_MAX
    assert peak < 16 * block_bytes
