"""Line charts as SVG: series of points on linear or logarithmic axes, each with a mark and a line of the legend."""
import html
import math

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 84, 230, 52, 64
INKS = ["#1b6ac9", "#d1495b", "#2e8b57", "#e08e0b", "#7b4fb5", "#00838f", "#8d6e63", "#546e7a", "#c2185b", "#689f38"]
GREY, BLACK = "#9aa4ad", "#222a30"


class Axis:
    """Values to places on the page. A logarithmic axis is marked at 1, 2 and 5 times powers of ten, or of two."""

    def __init__(self, name, values, begin, end, base=0, least=None):
        self.name, self.begin, self.end, self.base = name, begin, end, base
        low, high = min(values), max(values)
        if base:
            self.ticks = self.powers(low, high)
        else:
            low = 0 if least is None else least
            step = 10 ** math.floor(math.log10((high - low) / 4 or 1))
            step *= next(factor for factor in (1, 2, 2.5, 5, 10) if (high - low) / (step * factor) <= 6)
            self.ticks = [low + step * i for i in range(int(math.ceil((high - low) / step - 1e-9)) + 1)]
        self.low, self.high = self.ticks[0], self.ticks[-1]

    def powers(self, low, high):
        factors = (1,) if self.base == 2 or high / low > 1000 else (1, 2, 5)
        ladder = sorted(f * float(self.base) ** e for e in range(-12, 60) for f in factors)
        first = max(i for i, tick in enumerate(ladder) if tick <= low * 1.0001)
        last = min(i for i, tick in enumerate(ladder) if tick >= high * 0.9999)
        return ladder[first:max(last, first + 1) + 1]

    def at(self, value):
        scale = math.log if self.base else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.begin + share * (self.end - self.begin)


def number(value):
    return f"{value:,.0f}".replace(",", " ") if value >= 10 or value == int(value) else f"{value:g}"


def text(x, y, words, anchor="middle", ink=BLACK, size=14, more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{ink}" {more}>'
            f'{html.escape(words)}</text>')


def line(x1, y1, x2, y2, ink, width=1.0, dash=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{ink}" stroke-width="{width}"'
            + (f' stroke-dasharray="{dash}"' if dash else "") + "/>")


def mark(shape, x, y, ink):
    if shape == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{ink}"/>'
    if shape == 1:
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{ink}"/>'
    points = [(x, y - 5.5), (x + 5, y + 4), (x - 5, y + 4)] if shape == 2 else \
        [(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)]
    return f'<polygon points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" fill="{ink}"/>'


def frame(title, x_axis, y_axis):
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
             text(LEFT, 28, title, "start", size=17, more='font-weight="600"')]
    for tick in x_axis.ticks:
        parts.append(line(x_axis.at(tick), TOP, x_axis.at(tick), HEIGHT - BOTTOM, "#e4e8eb"))
    places = [x_axis.at(tick) for tick in x_axis.ticks]
    every = 1 + int(56 // max(1.0, min(b - a for a, b in zip(places, places[1:]))))
    for place, tick in list(zip(places, x_axis.ticks))[::every]:
        parts.append(text(place, HEIGHT - BOTTOM + 20, number(tick)))
    for tick in y_axis.ticks:
        parts.append(line(LEFT, y_axis.at(tick), WIDTH - RIGHT, y_axis.at(tick), "#e4e8eb"))
        parts.append(text(LEFT - 8, y_axis.at(tick) + 5, number(tick), "end"))
    parts += [line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, GREY),
              line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, GREY),
              text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, x_axis.name),
              text(0, 0, y_axis.name, more=f'transform="translate(22 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)"')]
    return parts


def legend(parts, row, name, ink, shape, dash):
    x, y = WIDTH - RIGHT + 18, TOP + 12 + 24 * row
    parts.append(line(x, y, x + 28, y, ink, 2, dash))
    if shape is not None:
        parts.append(mark(shape, x + 14, y, ink))
    parts.append(text(x + 36, y + 5, name, "start", size=13))


def chart(title, x_name, y_name, series, x_base=0, y_base=0, x_least=None):
    """`series`: dictionaries with a name, points [(x, y)] and, at will, dash (a line without marks) and ink."""
    points = [point for one in series for point in one["points"]]
    x_axis = Axis(x_name, [x for x, _ in points], LEFT, WIDTH - RIGHT, x_base, x_least)
    y_axis = Axis(y_name, [y for _, y in points], HEIGHT - BOTTOM, TOP, y_base)
    parts = frame(title, x_axis, y_axis)
    for row, one in enumerate(series):
        ink, dash = one.get("ink", INKS[row % len(INKS)]), one.get("dash", "")
        shape = None if dash else row // len(INKS) + row % 4
        places = [(x_axis.at(x), y_axis.at(y)) for x, y in sorted(one["points"])]
        if len(places) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="2"'
                         + (f' stroke-dasharray="{dash}"' if dash else "") + "/>")
        if shape is not None and len(places) <= 24:
            parts += [mark(shape % 4, x, y, ink) for x, y in places]
        legend(parts, row, one["name"], ink, shape if shape is None else shape % 4, dash)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'font-family="Helvetica, Arial, sans-serif">\n' + "\n".join(parts) + "\n</svg>\n")
