"""Hostile events, drawn from a seed and a number: each can be drawn again on its own."""

import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from local.demo.feed import read_feed
from reliability import aggregates
from reliability.events import record_of
from reliability.hostile.corpus import HOSTILE, STRANGE_VALUES

_MAX_BYTES = 65_536
_RECORD_BYTES = 1024 * 1024
_ARRIVALS_MS = (1_769_848_200_123, 0, 253_402_300_799_999)
_NUMBER = "49590338271490256608559692538361571095921575989136588898"
_NAMES = ("product_id", "inventory", "price", "discontinued", "event_time", "supplier", "schema_version")
_DIGITS = [
    "0",
    "1",
    "7",
    "12",
    "12",
    "340",
    "19.99",
    "19.99",
    "7.5",
    "2147483647",
    "2147483648",
    "99999999.99",
]
_DIGITS += ["100000000", "9" * 25, "00", "007"]
_SHARES = {"product_id": 0.97, "supplier": 0.2, "schema_version": 0.1}
_TOKENS = [
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\n",
        b"\0",
        b" ",
        b"-",
        b"0",
        b"e5",
        b"1e400",
        b".0",
    ),
    *(b"null", b"true", b"NaN", b"Infinity", b"\\ud800", b"\\u0000", b"\xff", b"\xc3", b"\xed\xa0\x80"),
    *(b'"inventory":1,', b'"price":1,', b'{"a":', b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xcc\x81", b"9" * 25),
]
_CHARACTERS = (
    'ab 7~"\\/\u00e9\u0301\u00ad\u200b\u3000\u2028\u0085\ufeff\ufffe\t\n\0\x7f\U0001f600\ud83d\ude00\ud800'
)


def draw(seed: int, number: int) -> tuple[str, Any]:
    """Return a kind and an event of it."""
    chance = random.Random(seed << 40 | number)  # two seeds share no event below 2**40
    kind = chance.choices(list(KINDS), [share for share, _ in KINDS.values()])[0]
    drawn = KINDS[kind][1](chance)
    event = drawn if isinstance(drawn, dict) else {"Records": [_record(chance, drawn)]}
    return kind, event


def _record(chance: random.Random, data: bytes) -> dict[str, Any]:
    # As it would come out of JSON: two halves of a character are one.
    key = json.loads(json.dumps(_text(chance, 3)))
    arrival_ms = _ARRIVALS_MS[chance.choices((0, 1, 2), (8, 1, 1))[0]]
    return record_of(data, _NUMBER, shard="shardId-000000000006", key=key, arrival_ms=arrival_ms)


@cache
def _real() -> Sequence[bytes]:
    """Return the records that `make local` sends."""
    return [record.data for record in read_feed()]


@cache
def _hostile() -> Sequence[bytes]:
    return [data for data, _ in HOSTILE.values()]


def _mutated(chance: random.Random, data: bytes) -> bytes:
    """Return data of which some parts are changed, cut out, repeated, moved or mixed with another's."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        begin = chance.randint(0, len(data))
        end = min(len(data), begin + chance.choice((0, 1, 1, 2, 4, 8, 40)))
        before, part, after = data[:begin], data[begin:end], data[end:]
        match chance.randrange(7):
            case 0:
                data = before + after
            case 1:
                data = before + part * chance.choice((2, 3, 30)) + after
            case 2:
                data = before + bytes([chance.randrange(256)]) + after
            case 3:
                other = chance.choice(_real())
                data = before + other[chance.randint(0, len(other)) :]
            case 4 if part:
                data = before + bytes([part[0] ^ 1 << chance.randrange(8)]) + part[1:] + after
            case _:
                data = before + chance.choice(_TOKENS) + after
    return data


def _object(chance: random.Random) -> bytes:
    """Return a JSON object by the grammar, as a writer with strange habits writes it."""
    members = [(name, _value_of(chance, name)) for name in _NAMES if chance.random() < _SHARES.get(name, 0.5)]
    if chance.random() < 0.3:
        members.append((_text(chance, 3), _value(chance, 3)))
    if chance.random() < 0.1 and members:
        members.append((chance.choice(members)[0], _value(chance, 1)))
    chance.shuffle(members)
    written = [f"{_space(chance)}{_quoted(chance, name)}{_space(chance)}:{value}" for name, value in members]
    return ("{" + ",".join(written) + "}" + _space(chance)).encode("utf-8", "surrogatepass")


def _value_of(chance: random.Random, name: str) -> str:
    """Return a value that may be right for a member of this name, with white space around it."""
    if chance.random() < 0.05:
        return _value(chance, 2)
    match name:
        case "inventory":
            value = _number(chance)
        case "price":
            value = _number(chance)
            value = f'"{value}"' if chance.random() < 0.3 else value
        case "discontinued":
            value = chance.choice(("true", "false", "true", "false", "0", '"true"', "null"))
        case "event_time":
            value = f'"{_time(chance)}"'
        case "schema_version":
            value = chance.choice(("1", "1", "1", "1.0", "2", '"1"', "true", "1e0", "-1"))
        case _:
            value = _quoted(chance, _text(chance, 6))
    return f"{_space(chance)}{value}{_space(chance)}"


def _value(chance: random.Random, depth: int) -> str:
    """Return any JSON value, or something that is almost one."""
    match chance.randrange(8 if depth else 5):
        case 0 | 1:
            return _number(chance)
        case 2:
            return _quoted(chance, _text(chance, 5))
        case 3 | 4:
            return chance.choice(
                ("true", "false", "null", "NaN", "-Infinity", "[]", "{}", "tru", "'a'", "1,")
            )
        case 5:
            return "[" + ",".join(_value(chance, depth - 1) for _ in range(chance.randrange(4))) + "]"
        case 6:
            names = [_quoted(chance, _text(chance, 2)) for _ in range(chance.randrange(4))]
            return "{" + ",".join(f"{name}:{_value(chance, depth - 1)}" for name in names) + "}"
    deep = chance.randrange(1, 12)
    return ("[" * deep + "]" * deep) if chance.random() < 0.5 else '{"a":' * deep + "1" + "}" * deep


def _number(chance: random.Random) -> str:
    """Return a number near a bound, with many digits, or with an exponent that is a bomb."""
    digits = chance.choice(_DIGITS)
    if chance.random() < 0.3:
        digits += (
            ("" if "." in digits else ".") + "0" * chance.choice((1, 2, 20, 400)) + chance.choice(("", "1"))
        )
    if chance.random() < 0.3:
        power = chance.choice((0, 1, -1, 2, -2, 8, -8, 400, -400, 999_999, -9_999_999, 10**30))
        digits += chance.choice("eE") + chance.choice(("", "+") if power >= 0 else ("",)) + str(power)
    if chance.random() < 0.02:
        digits = chance.choice(("1", "0.")) + chance.choice("03") * chance.choice(
            (4_299, 4_300, 20_000, 60_000)
        )
    return chance.choices(("", "-", "+"), (90, 8, 2))[0] + digits


def _time(chance: random.Random) -> str:
    """Return a text that is nearly an RFC 3339 time."""
    year = chance.choice((2026, 2026, 2024, 2024, 2024, 1970, 1969, 9999, 0))
    month, day = chance.choice(((1, 31), (1, 31), (2, 29), (2, 30), (12, 31), (13, 1), (0, 0), (1, 1)))
    hour, minute, second = chance.choice(
        ((8, 30, 0), (8, 34, 59), (8, 35, 1), (23, 59, 60), (24, 0, 0), (0, 0, 0))
    )
    fraction = "" if chance.random() < 0.5 else "." + "123456789012"[: chance.randrange(12)]
    offset = chance.choice(
        ("Z", "Z", "z", "+00:00", "-00:00", "+01:00", "-23:59", "+24:00", "+01:60", "", "+0100")
    )
    text = f"{year:04d}-{month:02d}-{day:02d}{chance.choice('TTTTt ')}{hour:02d}:{minute:02d}:{second:02d}"
    return (
        f"{text}{fraction}{offset}"
        if chance.random() < 0.95
        else _text(chance, 8).replace('"', "").replace("\\", "")
    )


def _text(chance: random.Random, most: int) -> str:
    if chance.random() < 0.03:
        return chance.choice("aé") * chance.choice((64, 65, 255, 256, 3_000))
    if chance.random() < 0.7:
        return chance.choice(("product123", "p", "apple", "x:lease", "7"))
    return "".join(chance.choice(_CHARACTERS) for _ in range(chance.randint(0, most)))


def _quoted(chance: random.Random, text: str) -> str:
    """Return a text as JSON, with or without needless escapes, sometimes with too few."""
    if chance.random() < 0.02:
        return f'"{text}"'
    return json.dumps(text, ensure_ascii=chance.random() < 0.5)


def _space(chance: random.Random) -> str:
    spaces = (" ", "\n", "\t", "\r\n") if chance.random() < 0.995 else ("\u00a0", "\ufeff", "\f", "\0")
    return chance.choice(spaces) if chance.random() < 0.3 else ""


def _coded(chance: random.Random) -> bytes:
    """Return a record in another encoding, compressed, or in base64 once more."""
    text = chance.choice(_real()).decode("utf-8", "replace")
    match chance.randrange(6):
        case 0:
            return text.encode(
                chance.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-7"))
            )
        case 1:
            return gzip.compress(text.encode(), mtime=0)
        case 2:
            return zlib.compress(text.encode())
        case 3:
            return base64.b64encode(text.encode())
        case 4:
            return json.dumps(text).encode()
    return chance.randbytes(chance.choice((0, 1, 3, 30, 300)))


def _large(chance: random.Random) -> bytes:
    """Return up to 1 MiB of one thing again and again."""
    begin = chance.choice(
        (b"", b'{"product_id":"p","price":1,"a":[', b'{"product_id":"', b'{"price":0.', b"[", b'{"a":"')
    )
    unit = chance.choice(
        (*_TOKENS, b'\\"', b"[],", b'{"":1},', b"1,", b"1.5,", b'"",', b"\\u0061", chance.randbytes(3))
    )
    end = chance.choice((b"", b"]}", b'"}', b"}"))
    size = chance.choice((3_999, 4_001, 20_000, _MAX_BYTES, _MAX_BYTES, _MAX_BYTES + 1, _RECORD_BYTES))
    return begin + unit * ((size - len(begin) - len(end)) // len(unit)) + end


def _aggregate(chance: random.Random) -> bytes:
    """Return an aggregate that is right, or whose message, digest or length is not."""
    keys = [_text(chance, 3).encode("utf-8", "surrogatepass") for _ in range(chance.randrange(4))]
    count = 30_830 + chance.randrange(20) if chance.random() < 0.002 else chance.randrange(6)
    most = max(0, len(keys) - 1) + (chance.random() < 0.1)
    records = [(chance.randint(0, most), _user_record(chance) if count < 10 else b"") for _ in range(count)]
    data = aggregates.aggregate(keys, records)
    match chance.randrange(8):
        case 0:
            return data[: chance.randint(0, len(data))]
        case 1:
            return _mutated(chance, data)
        case 2 | 3:
            return aggregates.pack(_mutated(chance, data[4:-16]))
        case 4:
            fields = [_strange_field(chance) for _ in range(chance.randint(1, 3))]
            return aggregates.pack(data[4:-16] + b"".join(fields))
        case 5:
            return aggregates.pack(aggregates.field(1, b"key") + aggregates.field(3, _strange_field(chance)))
    return data


def _user_record(chance: random.Random) -> bytes:
    match chance.randrange(4):
        case 0:
            return _object(chance)
        case 1:
            return aggregates.aggregate([b"a"], [(0, b"{}")])
    return chance.choice(_real())


def _strange_field(chance: random.Random) -> bytes:
    """Return a field of a number, kind or length that no aggregate has."""
    tag = aggregates.varint(
        chance.choice((0, 1, 2, 3, 4, 2**29 - 1, 2**29, 2**61 - 1)) << 3 | chance.randrange(8)
    )
    value = chance.choice((0, 1, 127, 128, 2**31, 2**32, 2**63, 2**64 - 1, 2**64))
    return tag + chance.choice((aggregates.varint(value), chance.randbytes(8), b"\x80" * 11, b"", tag))


def _envelope(chance: random.Random) -> dict[str, Any]:
    """Return an event of which a member is missing or of another kind, or whose base64 is broken."""
    records: list[Any] = [_record(chance, chance.choice(_real())) for _ in range(chance.randrange(4))]
    event: dict[str, Any] = {"Records": records}
    if not records or chance.random() < 0.05:
        return chance.choice(({"Records": chance.choice(STRANGE_VALUES)}, event, {}))
    strange = chance.choice(records)
    holder = chance.choice((strange, strange["kinesis"], strange["kinesis"]))
    name = chance.choice(list(holder))
    if chance.random() < 0.1:
        strange["kinesis"]["data"] = chance.choice(_real()).decode("utf-8", "replace")
    elif chance.random() < 0.3:
        text = strange["kinesis"]["data"]
        begin = chance.randint(0, len(text))
        strange["kinesis"]["data"] = (
            text[:begin] + chance.choice(("=", "\n", "é", "-", "A", "")) + text[begin + 1 :]
        )
    elif chance.random() < 0.1:
        del holder[name]
    else:
        holder[name] = chance.choice(STRANGE_VALUES)
    return event


# How often each is drawn, of 1,000, and by what. Large ones take a hundred times as long.
KINDS: dict[str, tuple[float, Callable[[random.Random], bytes | dict[str, Any]]]] = {
    "real record, mutated": (330, lambda chance: _mutated(chance, chance.choice(_real()))),
    "JSON by the grammar": (330, _object),
    "JSON by the grammar, mutated": (100, lambda chance: _mutated(chance, _object(chance))),
    "other encoding": (40, _coded),
    "aggregate": (100, _aggregate),
    "envelope": (90, _envelope),
    "corpus, mutated": (2, lambda chance: _mutated(chance, chance.choice(_hostile()))),
    "large": (8, _large),
}
