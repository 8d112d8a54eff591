"""``make audit``: licences, known vulnerabilities, the bill of materials and weights; status 1 when one is wrong."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from inference.card import ModelError
from inference.registry import check_models
from tests.audit import licences

TIMEOUT = 600
UNREACHABLE = (
    "ConnectionError",
    "Connection",
    "Timeout",
    "timed out",
    "resolve",
    "Proxy",
    "SSL",
    "HTTPError",
    "403",
    "404",
)
"""In what pip-audit says when its service can't be reached, which is no fault of what is audited."""


def main() -> int:
    """Print each finding in a line of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--sbom", type=Path, default=Path("out/sbom.json"), help="where the CycloneDX list is written")
    args = parser.parse_args()
    failures = [*_licences(), *_vulnerabilities(), *_bill_of_materials(args.sbom), *_weights()]
    for failure in failures:
        print(f"WRONG: {failure}")
    print(f"{len(failures)} wrong")
    return min(len(failures), 1)


def _licences() -> list[str]:
    known = list(licences.of_lock(licences.LOCK.read_text("utf-8")))
    print(f"licences: {len(known)} distributions of {licences.LOCK.name} looked at")
    return [
        f"{each.name}: its licence is not allowed: {each.words or 'none stated'}"
        for each in known
        if not each.is_allowed
    ]


def _vulnerabilities() -> list[str]:
    """Ask the public list of known vulnerabilities; that it can't be reached is said, and is no failure."""
    command = ["pip_audit", "-r", str(licences.LOCK), "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, check=False, timeout=TIMEOUT
        )
        answered = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"vulnerabilities: NOT CHECKED, there was no answer within {TIMEOUT} seconds")
        return []
    except (ValueError, KeyError):
        words = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        print(f"vulnerabilities: NOT CHECKED: {words[:200]}")
        return [] if any(sign in done.stderr for sign in UNREACHABLE) else [f"pip-audit did not run: {words[:200]}"]
    silent = [each["name"] for each in answered if "skip_reason" in each]
    print(f"vulnerabilities: {len(answered) - len(silent)} of {len(answered)} distributions checked")
    if silent:
        print(f"vulnerabilities: NOT CHECKED for {len(silent)}: the service can't be reached from here, or lacks them")
    return [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none yet'}"
        for each in answered
        for flaw in each.get("vulns", [])
    ]


def _bill_of_materials(path: Path) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["cyclonedx_py", "requirements", str(licences.LOCK), "--of", "JSON", "-o", str(path)]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        return [f"the bill of materials was not written: {done.stderr.strip().splitlines()[-1:]}"]
    print(f"bill of materials: {len(json.loads(path.read_text('utf-8'))['components'])} components in {path}")
    return []


def _weights() -> list[str]:
    try:
        check_models()
    except ModelError as error:
        return [str(error)]
    print("weights: every file is the one that its card names")
    return []


if __name__ == "__main__":
    raise SystemExit(main())
