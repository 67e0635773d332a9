# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system tests' runner.

    run_cases.py CASE.yaml...   plays the cases, in the private host (./run host)
    run_cases.py --report       puts together what was kept of the last runs; anywhere
    run_cases.py --check CASE.yaml...   reads them only

Kept of a case are $BUILD/system/CASE.json and, if it failed, the traces in CASE/. The report is
$BUILD/system-report.html.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import case as cases
import page
import summary

BUILD = Path(os.environ.get("BUILD", "build"))
KEPT = BUILD / "system"
REPORT = BUILD / "system-report.html"


def play(path):
    """Plays a case and keeps its summary. True: it passed."""
    import stage  # only where there is a private host

    one = cases.load(path)
    begin = time.monotonic()
    try:
        found = summary.of_run(stage.play(one))
    except stage.StageError as error:
        found = summary.of_failure(one, str(error))
    found["seconds"] = time.monotonic() - begin
    KEPT.mkdir(exist_ok=True)
    (KEPT / f"{one.name}.json").write_text(json.dumps(found))
    shutil.rmtree(KEPT / one.name, ignore_errors=True)
    if not summary.passed(found):
        shutil.copytree(stage.FOLDER, KEPT / one.name)
    print(f"{summary.text(found)}\n  {found['seconds']:.0f} s\n", flush=True)
    return summary.passed(found)


def report():
    """The page of all that is kept."""
    runs = [json.loads(path.read_text()) for path in sorted(KEPT.glob("*.json"))]
    runs = [run for run in runs if run.get("format") == summary.FORMAT]
    REPORT.write_text(page.page(runs))
    return runs


def ends_well():
    """vgpud ends, and no sanitizer has found anything."""
    import host

    host.vgpud("stop")
    found = host.sanitizer_report()
    if found:
        print(f"error: {host.VGPUD_LOG}:\n{found}", file=sys.stderr)
    return not found


def main(arguments):
    if arguments == ["--report"]:
        runs = report()
        print("\n\n".join(map(summary.text, runs)))
        print(f"\nsystem tests: {sum(map(summary.passed, runs))} of {len(runs)} cases passed; "
              f"{REPORT}")
        return 0
    if arguments[:1] == ["--check"]:
        for path in arguments[1:]:
            cases.load(path)
        return 0
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    results = [play(path) for path in arguments]
    report()
    print(f"report: {REPORT}")
    return 0 if ends_well() and all(results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except cases.CaseError as error:
        sys.exit(f"error: {error}")
