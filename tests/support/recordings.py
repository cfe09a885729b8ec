"""Films and sounds, made by hand, with exactly the tables that tell what they are."""

import struct


def make_box(kind: str, *content: bytes) -> bytes:
    """An MP4 box."""
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + kind.encode() + body


def make_mp4(
    *,
    width: int = 1280,
    height: int = 720,
    seconds: float = 12.5,
    sound: bool = True,
    picture: bool = True,
    turned: bool = False,
    brand: str = "isom",
    version: int = 0,
) -> bytes:
    """An MP4 whose tables stand at its end, as cameras write it."""
    matrix = (
        (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30) if turned else (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    )
    times = 32 if version else 20
    track = bytes([version, 0, 0, 7]) + bytes(times + 16) + struct.pack(">9i", *matrix)
    track += struct.pack(">II", width << 16, height << 16)
    length = round(seconds * 600)
    movie = (
        bytes([1, 0, 0, 0]) + bytes(16) + struct.pack(">IQ", 600, length)
        if version
        else bytes(12) + struct.pack(">II", 600, length)
    )
    tracks = [
        make_box(
            "trak", make_box("tkhd", track), make_box("mdia", make_box("hdlr", bytes(8) + kind + bytes(13)))
        )
        for kind, wanted in ((b"vide", picture), (b"soun", sound))
        if wanted
    ]
    return (
        make_box("ftyp", brand.encode(), bytes(4), b"isom")
        + make_box("free")
        + make_box("mdat", bytes(2000))
        + make_box("moov", make_box("mvhd", movie + bytes(80)), *tracks)
    )


def make_opus(seconds: float = 3.0) -> bytes:
    """An Ogg file of a first and a last page."""

    def make_page(flags: int, position: int, payload: bytes) -> bytes:
        head = b"OggS\0" + bytes([flags]) + struct.pack("<qIII", position, 1, 0, 0)
        return head + bytes([1, len(payload)]) + payload

    opus = b"OpusHead\x01\x01" + struct.pack("<HIhB", 312, 48_000, 0, 0)
    return make_page(2, 0, opus) + make_page(4, round(seconds * 48_000) + 312, bytes(200))


def make_mp3(seconds: float = 10.0, *, tagged: bool = False, frames: int | None = None) -> bytes:
    """MPEG-1 layer III of 128 kbit/s and 44.1 kHz; `frames` gives it a Xing header."""
    tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 0]) + bytes(256) if tagged else b""
    head = b"\xff\xfb\x90\x00" + bytes(32)
    if frames is not None:
        head += b"Xing" + struct.pack(">II", 1, frames)
    return tag + head + bytes(round(seconds * 16_000) - len(head))


def make_flac(seconds: int = 7) -> bytes:
    """A FLAC file's first block."""
    bits = 44_100 << 44 | 1 << 41 | 15 << 36 | 44_100 * seconds
    return b"fLaC\0\0\0\x22" + bytes(10) + bits.to_bytes(8, "big") + bytes(60)
