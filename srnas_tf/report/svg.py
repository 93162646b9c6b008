"""Writes SVG that is safe in a page: every value is escaped. Colours come from the page's style."""

from collections.abc import Iterable

from markupsafe import Markup, escape


def tag(name: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """Writes an element.

    Args:
        name: name of the element.
        children: markup is kept, text is escaped.
        attributes: underscores become hyphens, and `class_` becomes `class`. Numbers are rounded to two decimals.
            An attribute that is None is omitted.
    """
    given = (
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), number(value))
        for key, value in attributes.items()
        if value is not None
    )
    opening = Markup("").join([Markup("<"), name, *given])
    content = Markup("").join(escape(child) for child in children)
    return Markup("{}>{}</{}>").format(opening, content, name) if children else Markup("{}/>").format(opening)


def number(value: str | float) -> str:
    """Writes a number with at most two decimals, as short as possible."""
    return value if isinstance(value, str) else f"{round(value, 2):g}" if abs(value) < 1e4 else f"{value:.0f}"


def path(points: Iterable[tuple[float, float]], **attributes: str | float | None) -> Markup:
    """Writes a line through points (x, y)."""
    return tag("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in points), **attributes)


def drawing(width: float, height: float, title: str, *children: Markup, class_: str, role: str = "img") -> Markup:
    """Writes a whole SVG, which is shown as wide as the page allows.

    Args:
        width: width of its coordinate system.
        height: height of its coordinate system.
        title: description for screen readers.
        children: elements to draw.
        class_: classes of the page's style.
        role: `img`, or `group` if the keyboard can reach its parts.
    """
    view = f"0 0 {number(width)} {number(height)}"
    return tag("svg", *children, viewBox=view, role=role, aria_label=title, class_=class_)
