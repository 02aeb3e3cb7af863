"""Prints the table of docs/failures.md from what the tests of both languages have measured: table.py FILE"""

import json
import sys
from pathlib import Path
from statistics import median

NAMES = {"home": "the primary's", "comet": "the fallback's"}


def cell(records):
    """What the caller sees, after how long with either client, and the attempts at the primary and the fallback."""
    first = records[0]
    errors = list(dict.fromkeys(record["error"] for record in records if record["error"]))
    whose = NAMES.get(first["by"])
    if not errors:
        sees = f"{whose} answer"
    else:
        sees = " or ".join(f"`{error}`" for error in errors)
        if first["code"]:
            sees += f" `{first['code']}`"
        if first["said"]:
            sees = f"{first['said']} tokens, then {sees}"
    spent = {}
    for client in ("python", "node"):
        seconds = [record["seconds"] for record in records if record["client"] == client]
        spent[client] = f"{median(seconds):.2f}" if seconds else "-"
    home, comet = first["seen"]
    # Nobody sees a connection that is refused; the gateway counts it.
    home = max(home, first["attempts"] - comet)
    return f"{sees} | {spent['python']} / {spent['node']} s | {home} + {comet}"


def main():
    records = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    print("| | fault | streaming: the caller sees | after | attempts | whole: the caller sees | after | attempts |")
    print("|---|---|---|---|---|---|---|---|")
    listed = json.loads(Path(__file__).with_name("scenarios.json").read_text())["scenarios"]
    scenarios = {scenario["name"]: scenario for scenario in listed}
    # The others follow in their order.
    for record in sorted(records, key=lambda record: int(record["number"])):
        scenarios.setdefault(record["name"], record)
    for name, scenario in scenarios.items():
        of = [record for record in records if record["name"] == name]
        stream, whole = (cell([r for r in of if r["delivery"] == delivery]) for delivery in ("stream", "whole"))
        print(f"| {scenario['number']} | {scenario['title']} | {stream} | {whole} |")


if __name__ == "__main__":
    main()
