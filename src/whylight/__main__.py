"""`python -m whylight`: the command line, for launchers that start modules, such as `torchrun -m`."""

from whylight.cli import main

if __name__ == "__main__":
    main()
