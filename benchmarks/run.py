"""Run all benchmarks, one process after another, and write results.md: what `make bench` does.

    python benchmarks/run.py [NAME…]

Each benchmark writes its part when it is done, so a run that is stopped keeps what it has. Close other programs first.
"""

from __future__ import annotations

import subprocess
import sys

from report import HERE, ORDER


def main() -> int:
    names = sys.argv[1:] or [name for name in ORDER if (HERE / f"{name}.py").exists()]
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=False).returncode:
            failed.append(name)
    print(f"results: {HERE / 'results.md'}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
