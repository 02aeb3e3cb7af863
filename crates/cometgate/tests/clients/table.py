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
    scenarios = {record["name"]: record for record in records}
    for name, scenario in sorted(scenarios.items(), key=lambda item: int(item[1]["number"])):
        of = {delivery: [r for r in records if (r["name"], r["delivery"]) == (name, delivery)] for delivery in ("stream", "whole")}
        print(f"| {scenario['number']} | {scenario['title']} | {cell(of['stream'])} | {cell(of['whole'])} |")


if __name__ == "__main__":
    main()
