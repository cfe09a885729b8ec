"""What the pages use of curl, for machines without it: as a program, with curl's meaning of each option."""

import argparse
import sys
from pathlib import Path
from typing import Any

import httpx

PATIENCE = 60.0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", "--silent", action="store_true")
    parser.add_argument("-N", "--no-buffer", action="store_true")
    parser.add_argument("-X", "--request")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("--data-binary")
    parser.add_argument("-F", "--form")
    parser.add_argument("-D", "--dump-header", type=Path)
    return parser.parse_args()


def describe_body(asked: argparse.Namespace) -> dict[str, Any]:
    """What httpx is to send; a @ names a file."""
    if asked.form:
        name, _, value = asked.form.partition("=")
        assert value.startswith("@"), asked.form
        path = Path(value[1:])
        return {"files": {name: (path.name, path.read_bytes())}}
    given = asked.data_binary or asked.data
    if given is None:
        return {}
    if not given.startswith("@"):
        return {"content": given.encode()}
    content = Path(given[1:]).read_bytes()
    return {"content": content if asked.data_binary else content.replace(b"\r", b"").replace(b"\n", b"")}


def main() -> None:
    asked = read_arguments()
    body = describe_body(asked)
    headers = dict(header.split(": ", 1) for header in asked.header)
    if "content" in body:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    method = asked.request or ("POST" if body else "GET")
    with httpx.stream(method, asked.url, headers=headers, timeout=PATIENCE, **body) as answer:
        if asked.dump_header:
            fields = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            asked.dump_header.write_text(f"HTTP/1.1 {answer.status_code}\r\n{fields}\r\n")
        for part in answer.iter_bytes():
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
