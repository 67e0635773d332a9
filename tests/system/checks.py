# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether a run was as it should be. Each check takes the run and what the case says, and returns
what is wrong, in words: an empty list if nothing is. None looks at a clock but to order events.

A worker writes "want" before vgpud hears it, and "grant" after vgpud decided; either may lose its
CPU in between. So the order of two workers is seen only to a hand-over: an order counts as broken
if it is broken twice in one wait, or in more than a tenth of them.
"""

import collections

from case import PRIORITIES

READ = 0x0112  # VGPU_CMD_BUFFER_READ: what test-load's requests end with
TOLERATED = 10  # percent of waits


def percentile(values, percent):
    """By nearest rank; 0 of nothing."""
    values = sorted(values)
    return values[-(-len(values) * percent // 100) - 1] if values else 0


def rank(run, vm):
    return PRIORITIES.index(run.case.vms[vm].priority)


def ms(run, time):
    return f"{(time - run.traces.zero) / 1e6:.1f} ms"


# Of every run

def traces_whole(run):
    return list(run.traces.errors)


def one_holder(run):
    """A device is one worker's at a time."""
    wrong = []
    for device in run.traces.devices():
        last = None
        for turn in (turn for turn in run.traces.turns if turn.device == device):
            if last and turn.granted < last.ended:
                wrong.append(f"{turn.vm} got {device} at {ms(run, turn.granted)}, while {last.vm} "
                             f"had it until {ms(run, last.ended)}")
            last = turn if not last or turn.ended > last.ended else last
    return wrong


def once(run):
    """No request's job is begun twice, and what was answered well was begun."""
    wrong = []
    for load in run.loads.values():
        begun = _begun(run, load)
        twice = [f"{key}" for key, count in begun.items() if count > 1]
        if twice:
            wrong.append(f"{load.name}: begun more than once: {', '.join(twice[:5])}")
        good = load.codes.get(0, 0)
        if len(begun) < good:
            wrong.append(f"{load.name}: {good} good answers, {len(begun)} jobs begun")
        if load.protocol == "registers":
            lost = [number for number in load.numbers(0) if number not in begun]
            if lost:
                wrong.append(f"{load.name}: answered and never begun: {lost[:5]}")
        if len(begun) > load.sent:
            wrong.append(f"{load.name}: {load.sent} requests, {len(begun)} jobs begun")
    return wrong


def _begun(run, load):
    """{the guest's number: how often} of a load's requests."""
    jobs = run.traces.jobs(load.vm)
    if load.protocol == "registers":
        numbers = range(load.first, load.first + load.sent)
        return collections.Counter(job.tag for job in jobs
                                   if job.source == "1.0" and job.tag in numbers)
    # Commands without an answer have no number; each request ends with a read, which has one.
    return collections.Counter(job.tag for job in jobs
                               if job.source != "1.0" and job.opcode == READ)


def answered(run):
    """Each request got an answer, or an error of the protocol."""
    wrong = []
    for load in run.loads.values():
        got = sum(load.codes.values())
        if got != load.sent:
            wrong.append(f"{load.name}: {load.sent} requests, {got} answers")
        if not load.until_stopped and load.sent != load.requests:
            wrong.append(f"{load.name}: {load.sent} of {load.requests} requests sent")
        odd = [code for code in load.codes if code < 0 or code == 9999]
        if odd:
            wrong.append(f"{load.name}: requests that ended with {odd}")
    return wrong


# What a case asks for

def errors(run, asked):
    """@asked: {VM: {may, must}}; all others have none."""
    wrong = []
    seen = collections.defaultdict(collections.Counter)
    for load in run.loads.values():
        seen[load.vm].update({code: n for code, n in load.codes.items() if code != 0})
    for vm in run.case.vms:
        rule = asked.get(vm, {"may": [], "must": []})
        for code, count in seen[vm].items():
            if code not in rule["may"] + rule["must"]:
                wrong.append(f"{vm}: {count} errors 0x{code & 0xffffffff:02x}")
        wrong += [f"{vm}: no error 0x{code:02x}" for code in rule["must"] if code not in seen[vm]]
    return wrong


def order(run, kind):
    return {"strict-priority": strict_priority, "fifo": fifo}[kind](run)


def _turns_in(run, wait):
    found = run.traces.turns_between(wait.device, wait.begin, wait.end or run.end)
    return [turn for turn in found if turn.worker != wait.worker]


def _broken(run, name, waits, overtakers):
    """@overtakers(wait): the turns that should have come after it."""
    wrong, broken = [], 0
    for wait in waits:
        found = overtakers(wait)
        broken += bool(found)
        if len(found) > 1:
            names = ", ".join(turn.vm for turn in found[:5])
            wrong.append(f"{name}: {wait.vm} waits since {ms(run, wait.begin)}, and {len(found)} "
                         f"turns that come after it begin: {names}")
    if broken * 100 > TOLERATED * max(len(waits), 10):
        wrong.append(f"{name}: broken in {broken} of {len(waits)} waits")
    return wrong


def strict_priority(run):
    """A turn of a lower priority is wrong when the higher one waited already at the time of its
    grant: that is, since before the device came free, or the lower one came to want it."""
    def overtakers(wait):
        found = []
        for turn in _turns_in(run, wait):
            free = run.traces.free_since(turn.device, turn.granted)
            if rank(run, turn.vm) < rank(run, wait.vm) and max(free, turn.wanted) > wait.begin:
                found.append(turn)
        return found

    waits = [wait for wait in run.traces.waits if rank(run, wait.vm) > 0]
    return _broken(run, "priority", waits, overtakers)


def fifo(run):
    """Within a priority, turns begin in the order of wanting."""
    def overtakers(wait):
        return [turn for turn in _turns_in(run, wait)
                if rank(run, turn.vm) == rank(run, wait.vm) and turn.wanted > wait.begin]

    return _broken(run, "fifo", run.traces.waits, overtakers)


def first_grants(run, vms):
    """The first turns of these VMs, in this order."""
    found = list(dict.fromkeys(turn.vm for turn in run.traces.turns if turn.vm in vms))
    return [] if found == vms else [f"first grants: {', '.join(found)}"]


def jobs_in(run, wait):
    """How many jobs of others began on the device while it lasted."""
    end = wait.end or run.end
    return run.traces.jobs_between(wait.device, wait.begin, end) - \
        run.traces.jobs_between(wait.worker, wait.begin, end)


def waits(run, asked):
    """@asked: {VM: {p99, most, at-least}}: jobs of others in its waits; and how many waits."""
    wrong = []
    for vm, rule in asked.items():
        counts = [jobs_in(run, wait) for wait in run.traces.waits if wait.vm == vm]
        for key, value in (("p99", percentile(counts, 99)), ("most", max(counts, default=0))):
            if key in rule and value > rule[key]:
                wrong.append(f"{vm} waited for {value} jobs of others ({key}), not {rule[key]}")
        if len(counts) < rule.get("at-least", 1):
            wrong.append(f"{vm} waited {len(counts)} times: not enough to say something")
    return wrong


def held(run, vms):
    """{VM: nanoseconds} for which each had its device while all of them were at work. As vgpud's
    clock has it: from the moment when the device came free for a VM that waits, so the hand-over is
    its own. Its worker sees the grant only later, on a busy machine much later."""
    turns = {vm: [turn for turn in run.traces.turns if turn.vm == vm] for vm in vms}
    if not all(turns.values()):
        return {vm: 0 for vm in vms}, 0
    begin = max(found[0].granted for found in turns.values())
    end = min(found[-1].ended for found in turns.values())
    found = dict.fromkeys(vms, 0)
    for vm, of in turns.items():
        for turn in of:
            since = max(run.traces.free_since(turn.device, turn.granted), turn.wanted, begin)
            found[vm] += max(0, min(turn.ended, end) - since)
    return found, max(0, end - begin)


def parts(run, vms):
    """In words: what each had of that."""
    found, length = held(run, vms)
    total = sum(found.values()) or 1
    return ", ".join(f"{vm} {time * 100 / total:.2f} %" for vm, time in found.items()) + \
        f" in {length / 1e9:.1f} s"


def shares(run, asked):
    """By weight, within so many percent, over so many turns of each."""
    vms = asked["vms"]
    found, _ = held(run, vms)
    per_weight = {vm: found[vm] / run.case.vms[vm].weight for vm in vms}
    mean = sum(found.values()) / sum(run.case.vms[vm].weight for vm in vms)
    wrong = []
    for vm in vms:
        turns = sum(turn.vm == vm for turn in run.traces.turns)
        if turns < asked["turns"]:
            wrong.append(f"{vm} had {turns} turns: too few to compare")
        off = abs(per_weight[vm] - mean) * 100 / mean if mean else 100
        if off > asked["within-percent"]:
            wrong.append(f"{vm} had {found[vm] / 1e6:.1f} ms, {off:.1f} % off its share")
    return wrong


def device_time(run, asked):
    """@asked: {VM: {at-least, at-most}}, percent of what these VMs had while all were at work."""
    found, _ = held(run, list(asked))
    wrong = []
    for vm, rule in asked.items():
        part = found[vm] * 100 / (sum(found.values()) or 1)
        if not rule.get("at-least", 0) <= part <= rule.get("at-most", 100):
            wrong.append(f"{vm} had {part:.1f} % of the device's time")
    return wrong


def workers(run, asked):
    """@asked: {VM: {at-least, at-most}}: how many it has had."""
    wrong = []
    for vm, rule in asked.items():
        count = sum(worker.vm == vm for worker in run.traces.workers)
        if not rule.get("at-least", 1) <= count <= rule.get("at-most", count):
            wrong.append(f"{vm} had {count} workers")
    return wrong


def isolated(run, asked):
    """The VMs have one worker, on their own device, and go on while the other's hangs or is away:
    from its last job's begin to the birth of its next worker."""
    wrong = workers(run, {vm: {"at-most": 1} for vm in asked["vms"]})
    others = {worker.device for worker in run.traces.workers if worker.vm in asked["from"]}
    for worker in run.traces.workers:
        if worker.vm in asked["vms"] and worker.device in others:
            wrong.append(f"{worker.vm} is on {worker.device}, too")
    away = max((_away(run, vm) for vm in asked["from"]), key=lambda gap: gap[1] - gap[0])
    if away[1] <= away[0]:
        return wrong + [f"{', '.join(asked['from'])} lost no worker: nothing is shown"]
    for vm in asked["vms"]:
        if not any(away[0] < job.begin < away[1] for job in run.traces.jobs(vm)):
            wrong.append(f"{vm} began no job from {ms(run, away[0])} to {ms(run, away[1])}, while "
                         f"{', '.join(asked['from'])} was away")
    return wrong


def _away(run, vm):
    """The longest time between a worker's last job and the next worker; (0, 0): there is none."""
    born = [worker for worker in run.traces.workers if worker.vm == vm]
    gaps = [(0, 0)]
    for before, after in zip(born, born[1:]):
        begun = [job.begin for turn in run.traces.turns if turn.worker == before.pid
                 for job in turn.jobs]
        gaps.append((max(begun, default=before.last), after.born))
    return max(gaps, key=lambda gap: gap[1] - gap[0])


def at_the_end(run, asked):
    """@asked: {VM: {member, state}} as vgpud shows it."""
    wrong = []
    for vm, rule in asked.items():
        session = run.sessions.get(vm, {})
        wrong += [f"{vm}: {key} is '{session.get(key)}', not '{value}'"
                  for key, value in rule.items() if session.get(key) != value]
    return wrong


def recovered(run, vms):
    """The last request of each was answered well."""
    return [f"{load.name}: its last answer is 0x{load.answers[-1][2]:02x}"
            for load in run.loads.values()
            if load.vm in vms and load.answers and load.answers[-1][2] != 0]
