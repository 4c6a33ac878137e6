"""Where the processes of a run are when it does not go on."""

import sys
import threading
import traceback

DEEPEST = 12  # frames of a stack; above them is the program's start


def main_thread_stack() -> str:
    """The main thread's stack as Python prints it, the innermost frame last."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]
    return "".join(traceback.format_stack(frame)[-DEEPEST:])


def format_stack_dump(answers: dict[int, tuple[str, str]], hosts: list[str], seconds: int) -> str:
    """A text for people: processes at the same place together, the odd ones last.

    `answers` are by rank: what it does and for how long, and its stack.
    """
    places: dict[str, list[int]] = {}
    for rank, (_, stack) in sorted(answers.items()):
        places.setdefault(stack, []).append(rank)
    parts = [f"stalled: no progress for {seconds} s; the processes are\n"]
    for stack, ranks in sorted(places.items(), key=lambda place: -len(place[1])):
        parts += [f"  rank {rank} on {hosts[rank]}: {answers[rank][0]}\n" for rank in ranks]
        parts += [f"    {line}\n" for line in stack.splitlines()]
    silent = [rank for rank in range(len(hosts)) if rank not in answers]
    parts += [f"  rank {rank} on {hosts[rank]}: does not answer\n" for rank in silent]
    return "".join(parts)
