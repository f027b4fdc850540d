"""Walks an audit from submission to mail, prints how far the way is, and draws it.

    .venv/bin/python tests/flow [--draw | --redraw]

`--draw` also puts down the way for the picture, and draws it; `--redraw` draws it again as it was put down. In the
folder of another checkout, and with its Python, the other checkout is walked: `cd OTHER && .venv/bin/python
THIS/tests/flow`.
"""

import argparse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    picture = parser.add_mutually_exclusive_group()
    picture.add_argument("--draw", action="store_true", help="put down the way, and draw it")
    picture.add_argument("--redraw", action="store_true", help="draw what was put down; walk nothing")
    options = parser.parse_args()
    if not options.redraw:
        from walking import counting, running

        steps = running.walk()
        print(counting.table(steps))
    if options.draw or options.redraw:
        from walking import describing, drawing  # which need more than an older checkout has

        if options.draw:
            describing.save(describing.described(steps))
        drawing.PATH.write_text(drawing.draw(describing.load()), encoding="utf-8")
        print(f"drawn: {drawing.PATH}")


if __name__ == "__main__":
    main()
