# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report as one HTML file that needs no other."""

import html
import time

import plots
import summary as summaries

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2em auto;
       max-width: 1000px; padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.25em; margin: 2.5em 0 .3em; border-top: 1px solid #ccc;
       padding-top: 1em; } h3 { font-size: 1em; margin: 1.4em 0 .3em; }
p { max-width: 48em; margin: .3em 0 .8em; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .6em 0; font-size: .92em; }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #ddd;
         white-space: nowrap; }
th { font-weight: 600; } td.l, th.l { text-align: left; }
td.wrap { white-space: normal; min-width: 14em; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .5em; }
.ok { color: #00684a; font-weight: 600; } .failed { color: #b3261e; font-weight: 600; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: #333; }
svg .grid { stroke: #e2e2e2; } svg .mark { stroke: #b3261e; stroke-dasharray: 4 3; }
svg text.mark { fill: #b3261e; stroke: #fff; stroke-width: 3px;
       stroke-dasharray: none; paint-order: stroke; } svg .lost { stroke: #b3261e; }
svg text.device { font-weight: 600; }
svg .cdf { fill: none; stroke-width: 2; } svg .dashed { stroke-dasharray: 7 3; }
pre { white-space: pre-wrap; }
@media print { h2 { break-before: page; } }
"""
ZOOM_TURNS = 40  # in the enlarged part


def page(runs):
    good = sum(map(summaries.passed, runs))
    parts = [
        "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>vgpud: system tests</title><style>{STYLE}</style></head><body>",
        "<h1>vgpud: system tests</h1>",
        f"<p>{good} of {len(runs)} cases passed; {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} "
        "UTC. The order of things is read from the workers' traces. Times are of a machine that "
        "may have been busy with other things: what is checked is counted in jobs.</p>",
        _overview(runs)]
    parts += [_case(run) for run in runs]
    return "\n".join([*parts, "</body></html>", ""])


def _verdict(good):
    return '<span class="ok">passed</span>' if good else '<span class="failed">FAILED</span>'


def _overview(runs):
    rows = "".join(
        f'<tr><td class="l"><a href="#{run["name"]}">{html.escape(run["name"])}</a></td>'
        f'<td class="l wrap">{html.escape(run["title"])}</td><td>{len(run["vms"])}</td>'
        f'<td>{sum(vm["requests"] for vm in run["vms"])}</td>'
        f'<td class="l">{_verdict(summaries.passed(run))}</td></tr>' for run in runs)
    return ('<div class="scroll"><table><tr><th class="l">case</th><th class="l">what</th>'
            f'<th>VMs</th><th>requests</th><th class="l"></th></tr>{rows}</table></div>')


def _case(run):
    parts = [f'<h2 id="{run["name"]}">{html.escape(run["title"])} '
             f'{_verdict(summaries.passed(run))}</h2>',
             f"<p>{html.escape(run['description'])}</p>"]
    if run["failure"]:
        return "\n".join([*parts, f"<pre>{html.escape(run['failure'])}</pre>"])
    parts += [_vms(run), _outcomes(run), _timelines(run["pictures"])]
    if waits := plots.waits(run["pictures"]):
        parts += ["<h3>Waits for a turn</h3>", waits]
    return "\n".join(parts)


def _vms(run):
    left = (0, 1, 2, 4)
    head = "".join(f'<th{" class=l" if i in left else ""}>{html.escape(name)}</th>'
                   for i, name in enumerate(summaries.COLUMNS))
    rows = ""
    for index, vm in enumerate(run["vms"]):
        cells = [html.escape(str(cell)) for cell in summaries.row(vm)]
        cells[0] = f'<span class="key" style="background:{plots.colour(index)}"></span>{cells[0]}'
        rows += "<tr>" + "".join(f'<td{" class=l" if i in left else ""}>{cell}</td>'
                                 for i, cell in enumerate(cells)) + "</tr>"
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


def _outcomes(run):
    rows = ""
    for outcome in run["outcomes"]:
        seen = f'<br>seen: {html.escape(outcome["seen"])}' if outcome["seen"] else ""
        wrong = "".join(f"<br>{html.escape(text)}" for text in outcome["wrong"][:8])
        rows += (f'<tr><td class="l">{html.escape(outcome["name"])}</td>'
                 f'<td class="l wrap">{html.escape(outcome["asked"])}{seen}{wrong}</td>'
                 f'<td class="l">{_verdict(not outcome["wrong"])}</td></tr>')
    return f'<div class="scroll"><table><tr><th class="l">expected</th><th></th><th></th></tr>' \
           f"{rows}</table></div>"


def _timelines(pictures):
    turns = pictures["turns"]
    if not turns:
        return ""
    end = max(turn[4] for turn in turns)
    parts = ["<h3>Who had the device</h3>",
             "<p>Broad bars: had it. Thin bars: waited. Dashed: what the host did. "
             "A red frame: a job that did not end, until there was a new worker."
             + (f" Only the first {len(turns)} turns." if pictures["cut"] else "") + "</p>",
             plots.timeline(pictures, 0, max(end, 1))]
    if len(turns) > 2 * ZOOM_TURNS:
        # Where most is going on is as good as any other place; the middle has all VMs, mostly.
        middle = len(turns) // 2 - ZOOM_TURNS // 2
        part = turns[middle : middle + ZOOM_TURNS]
        parts += [f"<h3>{ZOOM_TURNS} turns of these, enlarged</h3>",
                  plots.timeline(pictures, part[0][3], max(turn[4] for turn in part) + 0.001)]
    return "\n".join(parts)
