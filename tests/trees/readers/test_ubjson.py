import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapley_core.errors import ModelFileError
from shapley_core.trees.readers.ubjson import ARRAYS, MAX_DEPTH, decode


def text(value):
    raw = value.encode()
    return b"L" + struct.pack(">q", len(raw)) + raw


def encode(value, counted):
    """Encode as a plain recursion over the format's definition."""
    if value is None or isinstance(value, bool):
        return {None: b"Z", True: b"T", False: b"F"}[value]
    if isinstance(value, int):
        sizes = ((b"i", ">b"), (b"U", ">B"), (b"I", ">h"), (b"l", ">i"), (b"L", ">q"))
        for marker, form in sizes:
            try:
                return marker + struct.pack(form, value)
            except struct.error:
                pass
    if isinstance(value, float):
        return b"D" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"S" + text(value)
    if isinstance(value, list):
        body = b"".join(encode(element, counted) for element in value)
        return b"[#l" + struct.pack(">i", len(value)) + body if counted else b"[" + body + b"]"
    return b"{" + b"".join(text(k) + encode(v, counted) for k, v in value.items()) + b"}"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(values, st.booleans())
def test_what_was_encoded_is_decoded(value, counted):
    decoded = decode(encode(value, counted))
    assert decoded == value and type(decoded) is type(value)


@pytest.mark.parametrize("marker", sorted(ARRAYS))
def test_typed_arrays(marker):
    array = np.array([0, 1, 100, 3], ARRAYS[marker])
    decoded = decode(b"[$" + marker + b"#U\x04" + array.tobytes())
    assert decoded.dtype == array.dtype and decoded.tolist() == array.tolist()
    assert len(decode(b"[$" + marker + b"#U\x00")) == 0


@given(values, st.booleans(), st.data())
def test_truncation_is_an_error(value, counted, data):
    content = encode(value, counted)
    with pytest.raises(ModelFileError):
        decode(content[: data.draw(st.integers(0, len(content) - 1))])


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.text(alphabet="[]{}#$SULlidDTFZN\x00\x01\x02").map(str.encode))
def test_any_bytes_decode_or_are_an_error(content):
    try:
        decode(content)
    except ModelFileError as error:
        assert "byte" in str(error)


def test_arrays_among_the_members_of_an_object():
    """Read in few steps; what is cut off or wrong in them is an error as anywhere."""
    long = b"[$d#L" + struct.pack(">q", 2) + struct.pack(">2f", 1.5, -2.0)
    short = b"[$U#U\x02\x07\x08"
    members = {"a": long, "b": long, "é": long, "c": short, "d": b"i\x05", "e": long, "f": long}
    content = b"{" + b"".join(text(key) + value for key, value in members.items()) + b"}"
    decoded = decode(content)
    assert list(decoded) == list(members) and decoded["d"] == 5
    for key in "abéef":
        assert decoded[key].tolist() == [1.5, -2.0]
    assert decoded["c"].tolist() == [7, 8]
    for size in range(len(content)):
        with pytest.raises(ModelFileError):
            decode(content[:size])
    for wrong in (b"[$S#L", b"[#$L", b"[$d$L"):
        with pytest.raises(ModelFileError):
            decode(b"{" + text("a") + long + text("b") + wrong + long[5:] + b"}")
    with pytest.raises(ModelFileError):
        decode(b"{L" + struct.pack(">q", -9) + long + b"}")


@pytest.mark.parametrize(
    "content",
    [
        b"[$d#L" + struct.pack(">q", 2**62) + b"1234",
        b"[$D#L" + struct.pack(">q", 2**63 - 1),
        b"[$d#L" + struct.pack(">q", -1),
        b"[#L" + struct.pack(">q", 2**40) + b"ZZ",
        b"[#L" + struct.pack(">q", -5) + b"ZZ",
        b"SL" + struct.pack(">q", 2**61) + b"abc",
        b"SL" + struct.pack(">q", -1) + b"abc",
        b"{L" + struct.pack(">q", 2**61) + b"abc",
        b"[$S#U\x01U\x00",
        b"SU\x02\xff\xff",
        b"SSU\x01a",
        b"ZZ",
        b"",
        b"?",
    ],
)
def test_false_lengths_and_markers_are_errors(content):
    with pytest.raises(ModelFileError):
        decode(content)


def test_depth_is_limited_without_recursion():
    assert decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None
    with pytest.raises(ModelFileError, match="levels"):
        decode(b"[" * 1_000_000)


def test_large_arrays_are_quick():
    content = b"[$d#L" + struct.pack(">q", 10**6) + bytes(4 * 10**6)
    start = time.perf_counter()
    assert len(decode(content)) == 10**6
    assert time.perf_counter() - start < 0.1
