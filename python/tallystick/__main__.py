"""`python -m tallystick`: the command line. It holds nothing of its own."""

from tallystick.cli import main

if __name__ == "__main__":
    main()
