#!/usr/bin/python3
"""records.py stamp | count | gap | lost | twice | first [FROM_MS [TO_MS]]

What arrives at a node. `stamp` puts the time of its arrival (CLOCK_MONOTONIC, ms) before each line
of `pointsman listen --json`; the other words answer a question about such lines: how many there
are, the longest time without one in ms, how many numbers are missing, how many came twice, and
when the first came. FROM and TO bound the time that is looked at; a gap reaches to the bounds.
"""

import json, sys, time


def stamp():
    """Copies standard input, each line behind the time at which it came."""
    for line in iter(sys.stdin.readline, ""):
        print(f"{time.monotonic() * 1000:.1f}", line, end="", flush=True)


def read(begin, end):
    """The times and names (class, session, number) of what came in that time."""
    rows = []
    for line in sys.stdin:
        when, text = line.split(" ", 1)
        if begin <= float(when) <= end:
            message = json.loads(text)
            rows.append((float(when), (message["peer"], message["session"], message["class"], message["number"])))
    return rows


def gap(times, begin, end):
    """The longest time without a message, to the bounds where there are any."""
    bounds = [begin] if begin > 0 else []
    marks = bounds + times + ([end] if end < float("inf") else [])
    return max((after - before for before, after in zip(marks, marks[1:])), default=0)


def lost(names):
    """How many numbers are missing between the first and the last of each class and session."""
    runs = {}
    for *run, number in set(names):
        runs.setdefault(tuple(run), []).append(number)
    return sum(max(numbers) - min(numbers) + 1 - len(numbers) for numbers in runs.values())


def main(question, begin="0", end="inf"):
    """Answers the question."""
    if question == "stamp":
        return stamp()
    rows = read(float(begin), float(end))
    times, names = [when for when, _ in rows], [name for _, name in rows]
    answers = {
        "count": lambda: len(rows),
        "gap": lambda: round(gap(times, float(begin), float(end))),
        "lost": lambda: lost(names),
        "twice": lambda: len(names) - len(set(names)),
        "first": lambda: round(times[0]) if times else "never",
    }
    print(answers[question]())


if __name__ == "__main__":
    main(*sys.argv[1:])
