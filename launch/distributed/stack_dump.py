"""The stacks of all processes of a run that makes no progress."""

import sys
import threading
import traceback

MAX_FRAMES = 12  # innermost frames of a stack


def main_thread_stack() -> str:
    """The main thread's stack as Python prints it, the innermost frame last."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]
    return "".join(traceback.format_stack(frame)[-MAX_FRAMES:])


def format_stack_dump(answers: dict[int, tuple[str, str]], hosts: list[str], seconds: int) -> str:
    """The report of a stall: ranks with the same stack together, the most common stack first.

    `answers` has by rank its status with the time since, and its stack.
    """
    ranks_by_stack: dict[str, list[int]] = {}
    for rank, (_, stack) in sorted(answers.items()):
        ranks_by_stack.setdefault(stack, []).append(rank)
    parts = [f"stalled: no progress for {seconds} s; the processes are\n"]
    for stack, ranks in sorted(ranks_by_stack.items(), key=lambda item: -len(item[1])):
        parts += [f"  rank {rank} on {hosts[rank]}: {answers[rank][0]}\n" for rank in ranks]
        parts += [f"    {line}\n" for line in stack.splitlines()]
    silent = [rank for rank in range(len(hosts)) if rank not in answers]
    parts += [f"  rank {rank} on {hosts[rank]}: does not answer\n" for rank in silent]
    return "".join(parts)
