# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cases of the system tests: cases/*.yaml, read strictly. What a case may say is told in
docs/development.md; whatever else is there is an error that names the file and the place."""

import dataclasses
import re
from pathlib import Path

import yaml

PRIORITIES = ("low", "medium", "high")
POOL_KEYS = {"policy": ("fifo", "fair"), "placement": ("least-loaded", "spread", "pack"),
             "admission": ("refuse", "wait"), "window": (1, 1024), "slice-us": (1, 10000000),
             "recall-ms": (0, 3600000), "floor-low": (0, 90), "floor-medium": (0, 90),
             "floor-high": (0, 90)}
SETTINGS = {"request-timeout-ms": (10, 600000), "fault-budget": (0, 64),
            "fault-window-s": (1, 86400), "quarantine-s": (1, 86400)}
LIMITS = {"weight": (1, 10000), "device-time-percent": (1, 100), "outstanding": (1, 1000000)}
WHOLE = (0, 10**9)
NAME = re.compile(r"[a-z][a-z0-9-]*")


class CaseError(Exception):
    pass


class Place:
    """A value in a file, and where it stands there."""

    def __init__(self, value, file, path=""):
        self.value, self.file, self.path = value, file, path

    def fail(self, text):
        raise CaseError(f"{self.file}: {self.path or 'the case'}: {text}")

    def below(self, key):
        path = f"{self.path}.{key}" if self.path else str(key)
        return Place(self.value[key], self.file, path)

    def mapping(self, known=None, required=()):
        """Its places by key; @known: no other keys."""
        if not isinstance(self.value, dict):
            self.fail(f"{self.value!r} is not a mapping")
        for key in self.value:
            if not isinstance(key, str):
                self.fail(f"the key {key!r} is not text")
            if known is not None and key not in known:
                self.fail(f"unknown key '{key}'; known are {', '.join(sorted(known))}")
        for key in required:
            if key not in self.value:
                self.fail(f"'{key}' is missing")
        return {key: self.below(key) for key in self.value}

    def list(self):
        """Its places; a single value is a list of one."""
        if not isinstance(self.value, list):
            return [self]
        return [Place(item, self.file, f"{self.path}[{i}]") for i, item in enumerate(self.value)]

    def text(self, pattern=None):
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail(f"{self.value!r} is not text")
        if pattern and not pattern.fullmatch(self.value):
            self.fail(f"'{self.value}' is not a name: small letters, digits, dashes")
        return self.value.strip()

    def one_of(self, choices, what="value"):
        if self.value not in choices or isinstance(self.value, bool):
            self.fail(f"no such {what}: {self.value!r}; there are {', '.join(map(str, choices))}")
        return self.value

    def number(self, low, high, whole=True):
        kinds = int if whole else (int, float)
        if isinstance(self.value, bool) or not isinstance(self.value, kinds) \
                or not low <= self.value <= high:
            self.fail(f"{self.value!r} is not a {'whole ' if whole else ''}number "
                      f"from {low} to {high}")
        return self.value

    def by(self, rule):
        """@rule: choices, or the least and the most of a number."""
        return self.number(*rule) if isinstance(rule[0], int) else self.one_of(rule)


@dataclasses.dataclass
class Pool:
    name: str
    settings: dict
    members: dict  # name: {backend, device, slots}

    def text(self):
        """Of its file, for vgpud."""
        lines = ["[pool]", f"name={self.name}"]
        lines += [f"{key}={value}" for key, value in self.settings.items()]
        for name, member in self.members.items():
            lines += [f"[member {name}]"] + [f"{key}={value}" for key, value in member.items()]
        return "\n".join(lines) + "\n"


@dataclasses.dataclass
class Vm:
    name: str
    pool: str
    priority: str
    limits: dict

    @property
    def weight(self):
        return self.limits.get("weight", 100)


@dataclasses.dataclass
class Load:
    name: str
    vm: str
    protocol: str  # registers, queue
    requests: int
    in_flight: int
    launches: int
    until_stopped: bool


@dataclasses.dataclass
class Step:
    after: dict  # condition: its argument; all of them
    start: list  # loads, at once
    do: dict  # action: its argument, in this order


@dataclasses.dataclass
class Case:
    name: str
    title: str
    description: str
    settings: dict
    pools: dict
    vms: dict
    loads: dict
    schedule: list
    expect: dict

    def devices(self, pool):
        return [f"{m['backend']}:{m['device']}" for m in self.pools[pool].members.values()]


def load(path):
    """The Case in a file. CaseError: it is none."""
    path = Path(path)
    try:
        value = yaml.load(path.read_text(), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CaseError(f"{path}: {' '.join(str(error).split())}") from None
    return parse(value, path.name)


class _Loader(yaml.SafeLoader):
    """A key that is there twice is an error, too."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{twice}' is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def parse(value, file):
    import expectations  # it needs Place, too

    root = Place(value, file)
    keys = root.mapping({"title", "description", "settings", "pools", "vms", "loads", "schedule",
                         "expect"},
                        ("title", "description", "pools", "vms", "loads", "schedule", "expect"))
    case = Case(Path(file).stem, keys["title"].text(), " ".join(keys["description"].text().split()),
                {}, {}, {}, {}, [], {})
    if "settings" in keys:
        case.settings = {key: place.by(SETTINGS[key])
                         for key, place in keys["settings"].mapping(SETTINGS).items()}
    case.pools = {key: _pool(key, place) for key, place in keys["pools"].mapping().items()}
    case.vms = {key: _vm(case, key, place) for key, place in keys["vms"].mapping().items()}
    if not 3 <= len(case.vms) <= 7:
        keys["vms"].fail(f"{len(case.vms)} VMs; a case has 3 to 7")
    case.loads = {key: _load(case, key, place) for key, place in keys["loads"].mapping().items()}
    queues = [load.vm for load in case.loads.values() if load.protocol == "queue"]
    if len(set(queues)) < len(queues):
        keys["loads"].fail("a VM has one load of protocol queue: its tags are the program's own")
    case.schedule = [_step(case, place) for place in keys["schedule"].list()]
    _check_schedule(case, keys["schedule"])
    case.expect = expectations.parse(case, keys["expect"])
    return case


def _pool(name, place):
    if not re.fullmatch("[A-Z]", name):
        place.fail("a pool's name is one letter from A to Z")
    keys = place.mapping({*POOL_KEYS, "members"}, ("members",))
    members = {}
    for member, below in keys.pop("members").mapping().items():
        if not NAME.fullmatch(member):
            below.fail("small letters, digits, dashes")
        found = below.mapping({"backend", "device", "slots"}, ("backend",))
        members[member] = {
            "backend": found["backend"].one_of(("fault", "null", "opencl"), "backend"),
            "device": found["device"].text() if "device" in found else "",
            "slots": found["slots"].number(0, 10000) if "slots" in found else 0}
    if not members:
        place.fail("a pool without members")
    return Pool(name, {key: value.by(POOL_KEYS[key]) for key, value in keys.items()}, members)


def _vm(case, name, place):
    if not NAME.fullmatch(name):
        place.fail("a VM's name has small letters, digits, dashes")
    keys = place.mapping({"pool", "priority", "limits"}, ("pool",))
    limits = keys["limits"].mapping(LIMITS) if "limits" in keys else {}
    return Vm(name, keys["pool"].one_of(case.pools, "pool"),
              keys["priority"].one_of(PRIORITIES, "priority") if "priority" in keys else "medium",
              {key: value.by(LIMITS[key]) for key, value in limits.items()})


def _load(case, name, place):
    if not NAME.fullmatch(name):
        place.fail("a load's name has small letters, digits, dashes")
    keys = place.mapping({"vm", "protocol", "requests", "in-flight", "launches", "until"},
                         ("protocol",))
    # A load without a VM is that of the VM of the same name.
    vm = keys["vm"].one_of(case.vms, "VM") if "vm" in keys else name
    if vm not in case.vms:
        place.fail(f"no VM '{vm}'; say which by 'vm'")
    protocol = keys["protocol"].one_of(("registers", "queue"), "protocol")
    if protocol == "registers" and keys.keys() & {"in-flight", "launches"}:
        place.fail("in-flight and launches are for the protocol queue")
    if ("requests" in keys) == ("until" in keys):
        place.fail("give either requests or 'until: stopped'")
    if "until" in keys:
        keys["until"].one_of(("stopped",), "end")
    return Load(name, vm, protocol,
                keys["requests"].number(1, 1000000) if "requests" in keys else 4000000000,
                keys["in-flight"].number(1, 256) if "in-flight" in keys else 1,
                keys["launches"].number(0, 1000) if "launches" in keys else 0, "until" in keys)


# The schedule. Conditions and actions by name, with what reads their argument.

def _names(place, choices, what):
    return [item.one_of(choices, what) for item in place.list()]


def _counts(place, choices, what):
    place.mapping(choices)
    return {key: below.number(1, 1000000) for key, below in place.mapping().items()}


def _member(case, place):
    pool, slash, member = place.text().partition("/")
    if not slash or pool not in case.pools or member not in case.pools[pool].members:
        place.fail(f"no member '{place.value}'; as A/x")
    return place.value


def _members_of_vms(case, place):
    found = {}
    for vm, below in place.mapping(case.vms).items():
        found[vm] = below.one_of(case.pools[case.vms[vm].pool].members, "member")
    return found


def _reload(case, place):
    return {pool: {key: value.by(POOL_KEYS[key]) for key, value in below.mapping(POOL_KEYS).items()}
            for pool, below in place.mapping(case.pools).items()}


CONDITIONS = {
    "wants": lambda case, place: _names(place, case.vms, "VM"),
    "granted": lambda case, place: _names(place, case.vms, "VM"),
    "jobs": lambda case, place: _counts(place, case.vms, "VM"),
    "more-jobs": lambda case, place: _counts(place, case.vms, "VM"),
    "answered": lambda case, place: _names(place, case.loads, "load"),
    "member": _members_of_vms,
    "state": lambda case, place: {
        vm: below.one_of(("serving", "quarantined"), "state")
        for vm, below in place.mapping(case.vms).items()},
}
ACTIONS = {
    "kill-worker": lambda case, place: place.one_of(case.vms, "VM"),
    "stop-worker": lambda case, place: place.one_of(case.vms, "VM"),
    "continue-worker": lambda case, place: place.one_of(case.vms, "VM"),
    "kill-worker-until-quarantined": lambda case, place: place.one_of(case.vms, "VM"),
    "drain": _member,
    "undrain": _member,
    "move": _members_of_vms,
    "reload": _reload,
    "vgpud": lambda case, place: place.one_of(("kill", "restart"), "way"),
    "stop": lambda case, place: _names(place, case.loads, "load"),
}


def _step(case, place):
    keys = place.mapping({"after", "start", "do"})
    after = keys["after"].mapping(CONDITIONS) if "after" in keys else {}
    do = keys["do"].mapping(ACTIONS) if "do" in keys else {}
    start = keys["start"].list() if "start" in keys else []
    if not (start or do or after):
        place.fail("a step that does nothing")
    return Step({key: CONDITIONS[key](case, below) for key, below in after.items()},
                [item.one_of(case.loads, "load") for item in start],
                {key: ACTIONS[key](case, below) for key, below in do.items()})


def _check_schedule(case, place):
    started = set()
    for number, step in enumerate(case.schedule):
        where = Place(None, place.file, f"{place.path}[{number}]")
        for name in step.after.get("answered", []) + step.do.get("stop", []):
            if name not in started | set(step.start):
                where.fail(f"'{name}' has not been started")
        for name in step.after.get("answered", []):
            if case.loads[name].until_stopped:
                where.fail(f"'{name}' does not end before it is stopped")
        for name in step.start:
            if name in started:
                where.fail(f"'{name}' is started twice")
            started.add(name)
    if set(case.loads) - started:
        place.fail(f"never started: {', '.join(sorted(set(case.loads) - started))}")
