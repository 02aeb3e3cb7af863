"""Runs the tests of a library twice: with all of the canary's routes at 0 %, and at 100 %.

    stage.py COMMAND...

The command finds the gateway in GATEWAY_URL and GATEWAY_KEY and, in SERVED_BY, the name of the provider that must have
answered. Its models are called `chat`, `embedding` and `claude`. What the command itself cannot see is checked here:
that nothing was sent to the other provider, and nothing with a wrong key or model.
"""

import os
import re
import subprocess
import sys

from harness import Served
from model_server import ModelServer

# Far more than the tests of one library take.
LONGEST = 10 * 60


def run(command, share, served_by):
    """How many tests passed and failed; the last line of the command says so too."""
    home, comet = ModelServer("home", "sk-primary"), ModelServer("comet", "sk-comet")
    options = ["--primary-key-env", "PRIMARY_KEY", "--share", share]
    for model in ("chat", "embedding", "claude"):
        options += ["--model", f"{model}=home-{model},comet-{model}"]
    with home, comet, Served(home, comet, *options) as gateway:
        env = {"GATEWAY_URL": gateway.base_url, "GATEWAY_KEY": gateway.api_key, "SERVED_BY": served_by}
        print(f"canary at {share}:", flush=True)
        done = subprocess.run(
            command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=LONGEST
        )
    print(done.stdout, flush=True)
    other = comet if served_by == "home" else home
    problems = [f"{other.name} was sent {path}" for path in other.answered] + home.complaints + comet.complaints
    # A canary's limit is the primary's to answer for; a bad request is bad everywhere.
    after_refusal = {"home": [], "comet": [429]}[served_by]
    problems += [f"{other.name} was asked again after a {status}" for status in other.refused if status not in after_refusal]
    if not (home if served_by == "home" else comet).answered:
        problems.append(f"{served_by} was sent nothing")
    # The programs' own lines begin so, and are counted by whoever reads this.
    counted = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed", done.stdout, re.MULTILINE)
    if done.returncode != 0 and not any(int(failed) for _, failed in counted):
        problems.append(f"the tests ended with {done.returncode}")
    for problem in problems:
        print(f"PROBLEM: {problem}", flush=True)
    print(f"test result: {'FAILED' if problems else 'ok'}. {0 if problems else 1} passed; {len(problems)} failed")
    return not problems and done.returncode == 0


def main(command):
    sides = [run(command, "0%", "home"), run(command, "100%", "comet")]
    sys.exit(0 if all(sides) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
