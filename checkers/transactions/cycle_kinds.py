"""What each kind of cycle is, for the reference; `fencepost.checkers.transactions.cycles` finds them."""

import re

from fencepost.checkers.transactions.consistency import PROCESS, REALTIME

_WORDS = {
    "G0": """G0, write cycle: transactions wrote several keys in different orders.

    process 0   append x 1, append y 1    ok
    process 1   append x 2, append y 2    ok
    process 2   r x [1, 2], r y [2, 1]    ok       <- on x the first came first, on y the second

A cycle of ww edges alone. `info`: writes of transactions of which nobody knows take part, once a read shows them.""",
    "G1c": """G1c, circular information flow: each transaction of a circle read or overwrote what another had written.

    process 0   append x 1, r y [1]       ok       <- saw the second's write ...
    process 1   append y 1, r x [1]       ok       <- ... which saw its own

A cycle of ww and wr edges, of which one at least is wr. `info`: as for G0.""",
    "G-single": """G-single, read skew: a transaction saw a part of another's effects and missed a part that came first.

    process 0   append x 1, append y 1    ok
    process 1   r x [1], r y []           ok       <- saw the write to x and not the one to y

A cycle with one rw edge; the others are ww and wr. (Elle calls it G-single-item.) `info`: a transaction of which nobody
knows can be the one that was missed, if a read shows any of its writes; its own reads prove nothing.""",
    "G-nonadjacent": """G-nonadjacent: a cycle with several rw edges, no two of which follow each other.

    process 0   append x 1                ok
    process 1   r x [1], r y []           ok       <- x before y
    process 2   append y 1                ok
    process 3   r y [1], r x []           ok       <- y before x

Snapshot isolation forbids it, as it forbids G-single, of which it is the general form. (Elle calls it
G-nonadjacent-item.) `info`: as for G-single.""",
    "G2-item": """G2-item, write skew and its kin: a cycle with several rw edges, two of which follow each other.

    process 0   r x [], append y 1        ok       <- each of the two ...
    process 1   r y [], append x 1        ok       <- ... missed the other's write

Snapshot isolation permits it, repeatable read and serializability do not. `info`: as for G-single.""",
}

_PROCESS_WORDS = {
    "G0": """
    process 0   append x 1                ok
    process 0   append x 2                ok
    process 1   r x [2, 1]                ok       <- process 0's second append came before its first
""",
    "G1c": """
    process 0   r x [1]                   ok       <- the process read what it wrote only afterwards
    process 0   append x 1                ok
""",
    "G-single": """
    process 0   append x 1                ok
    process 0   r x []                    ok       <- the process did not see its own write
    process 1   r x [1]                   ok
""",
    "G-nonadjacent": """
    process 1   append x 1                ok
    process 1   r z []                    ok       <- after x = [1], missed z = [1]
    process 0   r x [], r z [1]           ok       <- open all the time: missed x = [1], saw z = [1]
    process 2   append z 1                ok       <- open all the time
""",
    "G2-item": """
    process 0   append x 1                ok
    process 0   r y []                    ok       <- after x = [1], missed y = [1]
    process 1   append y 1, r x []        ok       <- open all the time: missed x = [1]
""",
}


def cycle_kinds() -> dict[str, str]:
    """name -> what it is, for every kind of cycle and its variants."""
    kinds = dict(_WORDS)
    for base in _WORDS:
        example = _PROCESS_WORDS[base]
        kinds[base + PROCESS] = (
            f"{base}{PROCESS}: {base} in which process edges take part: one process ran this transaction before that.\n"
            f"{example}\nThe strong session models forbid it. `info`: no process edge leads on from a transaction of "
            "which nobody knows.")
        kinds[base + REALTIME] = (
            f"{base}{REALTIME}: {base} in which realtime edges take part: this transaction had completed before that "
            f"was invoked.\n{_one_process_each(example)}\nThe strong models forbid it. `info`: no realtime edge leads "
            "on from a transaction of which nobody knows.")
    return kinds


def for_registers(words: str) -> str:
    """The words of an anomaly of lists, with its example written for registers."""
    return re.sub(r"(?m)^( *process \d   )(.*?  +)(ok|fail|info)\b(.*)$", _register_line, words)


def _register_line(line: re.Match[str]) -> str:
    body = re.sub(r"append (\w+) (\d)", r"w \1 \2", line[2].rstrip())
    body = re.sub(r"r (\w+) \[(?:\d, )*(\d)\]", r"r \1 \2", body)
    body = re.sub(r"r (\w+) \[\]", r"r \1 null", body)
    return line[1] + body.ljust(len(line[2])) + line[3] + re.sub(r"= \[(\d)\]", r"= \1", line[4])


def register_write_cycles() -> dict[str, str]:
    """G0 and its variants for registers, whose order of versions others must have seen."""
    example = """
    process 0   w x 1                     ok
    process 0   w y 1                     ok
    process 1   w x 2, w y 2              ok       <- open all the time: before the first, after the second
    process 2   r x 2, r y 1              ok
    process 2   r x 1, r y 2              ok
"""
    return {
        "G0": """G0, write cycle: transactions wrote several keys in different orders.

    process 0   w x 1, w y 2              ok
    process 1   w x 2, w y 1              ok
    process 2   r x 1, r y 1              ok
    process 2   r x 2, r y 2              ok       <- on x the first came first, on y the second

(With sequential_keys.) A cycle of ww edges alone. `info`: writes of which nobody knows count.""",
        "G0" + PROCESS: f"G0{PROCESS}: G0 in which process edges take part.\n{example}\n(With sequential_keys.) "
        "`info`: no process edge leads on from a transaction of which nobody knows.",
        "G0" + REALTIME: f"G0{REALTIME}: G0 in which realtime edges take part.\n"
        f"{example.replace('process 0   w y', 'process 3   w y')}\n(With sequential_keys.) `info`: no realtime edge "
        "leads on from a transaction of which nobody knows.",
    }


def _one_process_each(example: str) -> str:
    """The example, with a process of its own for each transaction."""
    lines = example.split("\n")
    numbered = enumerate([line for line in lines if line])
    return "\n".join(["", *[f"    process {number}{line[13:]}" for number, line in numbered], ""])
