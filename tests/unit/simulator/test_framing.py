import pytest

from vestnik.simulator.framing import (
    AbridgedFraming,
    FramingError,
    FullFraming,
    IntermediateFraming,
    detect_framing,
)

PAYLOADS = [b"abcd", bytes(504), bytes(508), bytes(4000)]


@pytest.mark.parametrize("make", [AbridgedFraming, IntermediateFraming, FullFraming])
def test_packets_survive_any_cutting_of_the_stream(make):
    sender, receiver = make(), make()
    stream = b"".join(sender.encode(payload) for payload in PAYLOADS)
    for step in (1, 7, len(stream)):
        receiver = make()
        buffer, found = bytearray(), []
        for start in range(0, len(stream), step):
            buffer += stream[start : start + step]
            while (packet := receiver.take(buffer)) is not None:
                found.append(packet)
        assert found == PAYLOADS
        assert not buffer


@pytest.mark.parametrize(
    ("first", "kind", "left"),
    [
        (b"\xef\x01", AbridgedFraming, b"\x01"),
        (b"\xee\xee\xee\xee\x01", IntermediateFraming, b"\x01"),
        (b"\xdd\xdd\xdd\xdd", IntermediateFraming, b""),
        (b"\x10\x00\x00\x00", FullFraming, b"\x10\x00\x00\x00"),
    ],
)
def test_the_first_bytes_tell_the_framing(first, kind, left):
    buffer = bytearray(first)
    assert type(detect_framing(buffer)) is kind
    assert buffer == left


def test_fewer_than_four_bytes_tell_nothing_yet():
    assert detect_framing(bytearray(b"\xee\xee\xee")) is None
    assert detect_framing(bytearray()) is None


def test_a_damaged_packet_is_refused():
    packet = bytearray(FullFraming().encode(b"abcd"))
    packet[9] ^= 1
    with pytest.raises(FramingError, match="checksum"):
        FullFraming().take(packet)


def test_a_packet_out_of_turn_is_refused():
    sender, receiver = FullFraming(), FullFraming()
    sender.encode(b"abcd")
    with pytest.raises(FramingError, match="number 1 where 0"):
        receiver.take(bytearray(sender.encode(b"abcd")))


@pytest.mark.parametrize(
    ("framing", "head"),
    [
        (IntermediateFraming(), b"\xff\xff\xff\x7f"),
        (IntermediateFraming(), b"\x00\x00\x00\x00"),
        (FullFraming(), b"\x04\x00\x00\x00\x00\x00\x00\x00"),
    ],
)
def test_impossible_lengths_are_refused(framing, head):
    with pytest.raises(FramingError):
        framing.take(bytearray(head))
