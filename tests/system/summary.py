# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is kept of a run, as JSON's types, and the report as text."""

import checks
import expectations

FORMAT = 1  # of what is kept; another one is of another version of this file
MOST_TURNS = 6000  # that are kept for the pictures


def of_run(run):
    outcomes = expectations.outcomes(run)
    return {
        "format": FORMAT,
        "name": run.case.name,
        "title": run.case.title,
        "description": run.case.description,
        "failure": "",
        "outcomes": [vars(outcome) for outcome in outcomes],
        "vms": [_vm(run, name) for name in run.case.vms],
        "pictures": _pictures(run),
    }


def of_failure(case, text):
    """A case that could not be played to its end."""
    return {"format": FORMAT, "name": case.name, "title": case.title,
            "description": case.description, "failure": text, "outcomes": [], "vms": [],
            "pictures": {}}


def passed(summary):
    return not summary["failure"] and not any(o["wrong"] for o in summary["outcomes"])


def _vm(run, name):
    vm = run.case.vms[name]
    turns = [turn for turn in run.traces.turns if turn.vm == name]
    waits = [wait for wait in run.traces.waits if wait.vm == name and wait.end]
    lengths = [(wait.end - wait.begin) / 1e6 for wait in waits]
    jobs = [checks.jobs_in(run, wait) for wait in waits]
    codes, sent = {}, 0
    for load in run.loads.values():
        if load.vm == name:
            sent += load.sent
            for code, count in load.codes.items():
                codes[code] = codes.get(code, 0) + count
    return {
        "name": name, "pool": vm.pool, "priority": vm.priority, "weight": vm.weight,
        "requests": sent,
        "errors": {f"0x{code & 0xffffffff:02x}": n for code, n in sorted(codes.items()) if code},
        "jobs": sum(len(turn.jobs) for turn in turns), "turns": len(turns),
        "workers": sum(worker.vm == name for worker in run.traces.workers),
        "wait-ms": {"p50": checks.percentile(lengths, 50), "p99": checks.percentile(lengths, 99)},
        "wait-jobs": {"p50": checks.percentile(jobs, 50), "p99": checks.percentile(jobs, 99),
                      "most": max(jobs, default=0)},
        "device-ms": sum(turn.ended - turn.granted for turn in turns) / 1e6,
    }


def _pictures(run):
    """Times in milliseconds since the first wish."""
    def at(time):
        return round((time - run.traces.zero) / 1e6, 3)

    names = list(run.case.vms)
    turns = [[names.index(turn.vm), run.traces.devices().index(turn.device), at(turn.wanted),
              at(turn.granted), at(turn.ended), len(turn.jobs)]
             for turn in run.traces.turns[:MOST_TURNS] if turn.vm in names]
    waits = {name: sorted(round((wait.end - wait.begin) / 1e6, 3) for wait in run.traces.waits
                          if wait.vm == name and wait.end) for name in names}
    return {"vms": names, "devices": run.traces.devices(), "turns": turns,
            "lost": [[names.index(before.vm), run.traces.devices().index(before.device),
                      at(before.lost), at(after.born)]
                     for before, after in _successions(run) if before.lost],
            "cut": len(run.traces.turns) > MOST_TURNS,
            "waits": {name: _thin(values) for name, values in waits.items()},
            "marks": [[at(time), text] for time, text in run.marks]}


def _successions(run):
    """(worker, the VM's next one)."""
    for name in run.case.vms:
        born = [worker for worker in run.traces.workers if worker.vm == name]
        yield from zip(born, born[1:])


def _thin(values, most=400):
    """Evenly, with the least and the most."""
    if len(values) <= most:
        return values
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


# Text

COLUMNS = ("VM", "pool", "priority", "requests", "errors", "turns", "jobs", "device",
           "wait p50", "p99", "others' jobs p99")


def row(vm):
    """A VM's cells, in the order of COLUMNS."""
    errors = ", ".join(f"{n} x {code}" for code, n in vm["errors"].items())
    priority = vm["priority"] + (f" x{vm['weight']}" if vm["weight"] != 100 else "")
    return [vm["name"], vm["pool"], priority, vm["requests"], errors or "-", vm["turns"],
            vm["jobs"], duration(vm["device-ms"]), duration(vm["wait-ms"]["p50"]),
            duration(vm["wait-ms"]["p99"]), vm["wait-jobs"]["p99"]]


def duration(ms):
    if ms >= 1000:
        return f"{ms / 1000:.2f} s"
    return f"{ms:.1f} ms" if ms >= 10 else f"{ms:.2f} ms"


def text(summary):
    lines = [f"{'ok' if passed(summary) else 'FAILED'}: {summary['name']}: {summary['title']}"]
    if summary["failure"]:
        return "\n".join(lines + [f"  {summary['failure']}"])
    cells = [[str(cell) for cell in row(vm)] for vm in summary["vms"]]
    widths = [max(len(line[i]) for line in [COLUMNS, *cells]) for i in range(len(COLUMNS))]
    for line in [COLUMNS, *cells]:
        padded = [cell.ljust(width) if i in (0, 1, 2, 4) else cell.rjust(width)
                  for i, (cell, width) in enumerate(zip(line, widths))]
        lines.append("  " + "  ".join(padded).rstrip())
    for outcome in summary["outcomes"]:
        asked = f": {outcome['asked']}" if outcome["asked"] else ""
        lines.append(f"  {'FAILED' if outcome['wrong'] else 'ok    '} {outcome['name']}{asked}")
        lines += [f"           seen: {outcome['seen']}"] if outcome["seen"] else []
        lines += [f"           {wrong}" for wrong in outcome["wrong"][:8]]
    return "\n".join(lines)
