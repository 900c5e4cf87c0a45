"""Reads just enough of an ONNX file to know that it is data: all weights inside, all operators of known domains, no
graphs inside the graph (a loop might never end) and no functions (they may multiply each other).

A walk over the protobuf wire format, the same as `src/model/onnx-check.ts`; what the file computes is left to
onnxruntime.
"""

from __future__ import annotations

from .errors import UnsafeGraphError

DOMAINS = ("", "ai.onnx", "com.microsoft")  # the first two are the same; the last is onnxruntime's own

MAX_NODES = 20_000  # a tick of ours has 650

# Field numbers of onnx.proto that lead to a domain, a tensor or control flow; all others are skipped.
FIELDS = {
    "model": {7: "graph", 8: "opset", 20: "control", 25: "control"},  # training graphs, functions
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "control", 10: "tensor", 11: "control", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external", 14: "location"},
    "opset": {1: "domain"},
}


def check_onnx(file: str, contents: bytes) -> None:
    """Raises UnsafeGraphError where it isn't ONNX, has weights elsewhere, control flow or an unknown domain."""
    graphs = _walk(file, contents, "model", 0, len(contents))
    if graphs != 1:
        raise _malformed(file)


def _walk(file: str, contents: bytes, message: str, at: int, end: int) -> int:
    """Gives how many graphs this message holds itself."""
    graphs = nodes = 0
    while at < end:
        tag, at = _varint(file, contents, at, end)
        field, wire = FIELDS[message].get(tag >> 3), tag & 7
        if wire == 0:
            value, at = _varint(file, contents, at, end)
            if field == "location" and value != 0:
                raise _external(file)
            continue
        if wire == 2:
            length, at = _varint(file, contents, at, end)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise _malformed(file)
        if at + length > end or (field is not None and wire != 2) or field == "location":
            raise _malformed(file)
        if field == "external":
            raise _external(file)
        if field == "control":
            raise UnsafeGraphError(
                f"{file}: expected one graph without control flow, got a loop, a branch or a function. "
                "Export it unrolled and inlined."
            )
        if field == "domain":
            domain = contents[at : at + length].decode("utf-8", "replace")
            if domain not in DOMAINS:
                raise UnsafeGraphError(
                    f"{file}: expected operators of {' or '.join(DOMAINS[1:])}, got the domain {domain!r}."
                )
        elif field is not None:
            _walk(file, contents, field, at, at + length)
            nodes += field == "node"
            if nodes > MAX_NODES:
                raise UnsafeGraphError(
                    f"{file}: expected at most {MAX_NODES} operators, got more. Export a smaller network."
                )
        graphs += field == "graph"
        at += length
    return graphs


def _varint(file: str, contents: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = contents[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _malformed(file)


def _malformed(file: str) -> UnsafeGraphError:
    return UnsafeGraphError(f"{file}: expected an ONNX model, got malformed bytes. Export it again.")


def _external(file: str) -> UnsafeGraphError:
    return UnsafeGraphError(
        f"{file}: expected all weights inside the file, got external data. Export it with the weights embedded."
    )
