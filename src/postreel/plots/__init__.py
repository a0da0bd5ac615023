"""Plots as SVG text: bars from zero, columns, a sparkline. Pure; holds no colour, which is the page's to give.

Widths are in per cent and heights in pixels, so that a plot fits a phone and its letters keep their size. Classes:
`plot` on the drawing, `bar` (and `bar most` on the greatest), `track`, `name`, `number`, `line`.

Public: `Bar`, `bars`, `columns`, `sparkline`.
"""

from postreel.plots.draw import Bar, bars, columns, sparkline

__all__ = ["Bar", "bars", "columns", "sparkline"]
