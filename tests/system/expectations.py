# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a case may expect: by name, how its argument is read and what checks it."""

import dataclasses

import checks


def _vms(case, place):
    return [item.one_of(case.vms, "VM") for item in place.list()]


def _by_vm(case, place, read):
    return {vm: read(below) for vm, below in place.mapping(case.vms).items()}


def _bounds(place, most=10**9):
    keys = place.mapping({"at-least", "at-most"})
    if not keys:
        place.fail("give at-least, at-most or both")
    return {key: value.number(0, most, whole=False) for key, value in keys.items()}


def _order(_case, place):
    return place.one_of(("strict-priority", "fifo"), "order")


def _orders(case, place):
    return [_order(case, item) for item in place.list()]


def _waits(place):
    keys = place.mapping({"p99", "most", "at-least"})
    if not keys.keys() & {"p99", "most"}:
        place.fail("give p99, most or both: jobs of other VMs")
    return {key: value.number(0, 10**6) for key, value in keys.items()}


def _shares(case, place):
    keys = place.mapping({"vms", "within-percent", "turns"}, ("vms", "within-percent", "turns"))
    return {"vms": _vms(case, keys["vms"]), "turns": keys["turns"].number(1, 10**6),
            "within-percent": keys["within-percent"].number(0, 100, whole=False)}


def _isolated(case, place):
    keys = place.mapping({"vms", "from"}, ("vms", "from"))
    return {key: _vms(case, value) for key, value in keys.items()}


def _errors(place):
    keys = place.mapping({"may", "must"})
    found = {"may": [], "must": []}
    for key, value in keys.items():
        found[key] = [item.number(1, 0x1ff) for item in value.list()]
    return found


def _at_the_end(place):
    keys = place.mapping({"member", "state"})
    return {key: value.text() for key, value in keys.items()}


KINDS = {
    "order": (_orders, lambda run, kinds: [w for kind in kinds for w in checks.order(run, kind)]),
    "first-grants": (_vms, checks.first_grants),
    "errors": (lambda case, place: _by_vm(case, place, _errors), checks.errors),
    "waits": (lambda case, place: _by_vm(case, place, _waits), checks.waits),
    "shares": (_shares, checks.shares),
    "device-time": (lambda case, place: _by_vm(case, place, lambda p: _bounds(p, 100)),
                    checks.device_time),
    "workers": (lambda case, place: _by_vm(case, place, _bounds), checks.workers),
    "isolated": (_isolated, checks.isolated),
    "at-the-end": (lambda case, place: _by_vm(case, place, _at_the_end), checks.at_the_end),
    "recovered": (_vms, checks.recovered),
}
# Of every run, whatever the case says.
ALWAYS = {
    "traces are whole": checks.traces_whole,
    "one holder at a time": checks.one_holder,
    "no request runs twice": checks.once,
    "all requests answered": checks.answered,
}


def parse(case, place):
    found = {key: KINDS[key][0](case, value) for key, value in place.mapping(KINDS).items()}
    if not found:
        place.fail("expects nothing")
    found.setdefault("errors", {})
    return found


@dataclasses.dataclass
class Outcome:
    name: str
    asked: str
    wrong: list
    seen: str = ""  # what was measured, where no table has it


def outcomes(run):
    found = [Outcome(name, "", check(run)) for name, check in ALWAYS.items()]
    for key, asked in run.case.expect.items():
        found.append(Outcome(key, in_words(asked) or "none", KINDS[key][1](run, asked)))
        if key in ("shares", "device-time"):
            found[-1].seen = checks.parts(run, asked.get("vms", list(asked)))
    return found


def in_words(value, codes=False):
    """A case's value as a person would write it."""
    if isinstance(value, dict):
        parts = [(key, below, in_words(below, key in ("may", "must")))
                 for key, below in value.items() if below != []]
        return "; ".join(f"{key} ({text})" if isinstance(below, dict) else f"{key}: {text}"
                         for key, below, text in parts)
    if isinstance(value, list):
        return ", ".join(in_words(item, codes) for item in value)
    return f"0x{value:02x}" if codes else str(value)
