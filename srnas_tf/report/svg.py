"""SVG as text that is safe in a page: every value is escaped, and colours are left to the page's style."""

from collections.abc import Iterable

from markupsafe import Markup, escape


def tag(name: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """An element.

    Args:
        name: of the element.
        children: markup as it is, text escaped.
        attributes: underscores stand for hyphens, `class_` for `class`; numbers are rounded to a hundredth; None is
            left out.
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
    """As short as a hundredth allows."""
    return value if isinstance(value, str) else f"{round(value, 2):g}" if abs(value) < 1e4 else f"{value:.0f}"


def path(points: Iterable[tuple[float, float]], **attributes: str | float | None) -> Markup:
    """A line through points."""
    return tag("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in points), **attributes)


def drawing(width: float, height: float, title: str, *children: Markup, class_: str, role: str = "img") -> Markup:
    """A whole SVG, as wide as the page lets it be.

    Args:
        width: of its own coordinates.
        height: likewise.
        title: for those who do not see it.
        children: what is drawn.
        class_: of the page's style.
        role: `img`, or `group` where the keyboard comes by its parts.
    """
    view = f"0 0 {number(width)} {number(height)}"
    return tag("svg", *children, viewBox=view, role=role, aria_label=title, class_=class_)
