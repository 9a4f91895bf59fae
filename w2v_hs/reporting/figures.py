"""The charts of a report, as Bokeh figures.

They have no colours of their own: `page/report.js` gives them those of the page, light or dark,
by the names of their parts.
"""

from typing import Any

from w2v_hs.errors import OptionError


def bokeh() -> Any:
    """The package Bokeh; `OptionError`, with the command that installs it, if it is missing."""
    try:
        import bokeh
        import bokeh.embed
        import bokeh.models
        import bokeh.plotting
    except ImportError:
        raise OptionError("a report needs Bokeh: pip install 'w2v-hs[report]'") from None
    return bokeh


def scripts() -> str:
    """BokehJS to embed in the page: only its core, which draws on canvas without WebGL."""
    bokeh()
    from bokeh.resources import Resources

    # What follows the first part sets the level of messages, with a message; the page sets its own.
    return Resources(mode="inline", components=["bokeh"]).js_raw[0]


def map_figure(moves: bool = False) -> Any:
    """An empty map, which the page fills: sources `words`, `picked`, `labels` and perhaps `moves`.

    A map is moved by dragging, zoomed by the wheel or two fingers; a click picks a word. moves:
    with arrows from (x0, y0) to (x, y), whose heads are turned by `angle`.
    """
    models = bokeh().models
    figure = _figure("map", None, "", sizing_mode="stretch_both")  # as high as the style sheet says
    figure.x_range, figure.y_range = models.Range1d(-1, 1), models.Range1d(-1, 1)
    figure.axis.visible = False
    figure.grid.visible = False
    figure.outline_line_color = None
    sources = {
        name: models.ColumnDataSource({column: [] for column in columns.split()}, name=name)
        for name, columns in (
            ("words", "x y size color word rank count"),
            ("picked", "x y size color edge"),
            ("labels", "x y text dy color"),
            ("moves", "x y x0 y0 angle alpha"),
        )
    }
    points = figure.scatter(
        "x",
        "y",
        size="size",
        source=sources["words"],
        name="points",
        fill_color="color",
        line_color=None,
        fill_alpha=0.6,
    )
    # Neither a selection nor the rest of it changes how the points look.
    points.selection_glyph = points.nonselection_glyph = None
    if moves:
        _add_arrows(figure, sources["moves"])
    figure.scatter(
        "x", "y", size="size", source=sources["picked"], name="picks", fill_color="color", line_alpha="edge"
    )
    figure.text(
        "x",
        "y",
        text="text",
        source=sources["labels"],
        name="names",
        y_offset="dy",
        text_color="color",
        text_align="center",
        text_baseline="bottom",
        text_font_size="12px",
        text_font={"value": "system-ui, sans-serif"},
        background_fill_alpha=0.7,
        padding=1,
    )
    zoom = models.WheelZoomTool()
    figure.add_tools(
        models.PanTool(),
        zoom,
        models.TapTool(renderers=[points], behavior="select"),
        _hover([points], [("word", "@word"), ("rank", "@rank{0,0}"), ("count", "@count{0,0}")]),
    )
    figure.toolbar.active_scroll = zoom
    return figure


def _add_arrows(figure: Any, source: Any) -> None:
    """Arrows that begin with a dot. Heads keep their angle: both axes have the same scale."""
    alpha = {"line_alpha": "alpha", "fill_alpha": "alpha"}
    figure.segment("x0", "y0", "x", "y", source=source, name="moves", line_width=1.5, line_alpha="alpha")
    figure.scatter("x0", "y0", size=5, source=source, name="moves begin", **alpha)
    figure.scatter(
        "x", "y", size=9, marker="triangle", angle="angle", source=source, name="moves end", **alpha
    )


def loss_figure(
    losses: list[float | None], holdout: list[float], unigram: float, holdout_unigram: float | None
) -> Any:
    """Mean nats per prediction by epoch, in training and held out, each with its unigram loss."""
    models = bokeh().models
    figure = _figure("losses", 300, "nats per prediction")
    figure.xaxis.axis_label = "epoch"
    figure.xaxis.ticker = models.BasicTicker(min_interval=1, num_minor_ticks=0)
    figure.xaxis.formatter = models.NumeralTickFormatter(format="0")
    lines = []
    for name, label, values, base in (
        ("training", "training", losses, unigram),
        ("holdout", "set aside", holdout, holdout_unigram),
    ):
        if not values:
            continue
        source = models.ColumnDataSource(
            {
                "epoch": list(range(1, len(values) + 1)),
                "loss": [float("nan") if value is None else value for value in values],
                "what": [label] * len(values),
            }
        )
        figure.line("epoch", "loss", source=source, name=name, line_width=2)
        dots = figure.scatter("epoch", "loss", source=source, name=f"{name} dots", size=7)
        lines.append(dots)
        if base is not None:
            figure.line(
                [0.5, len(values) + 0.5],
                [base, base],
                name=f"{name} base",
                line_dash="dashed",
                line_width=1.5,
            )
    figure.add_tools(_hover(lines, [("", "@what, epoch @epoch"), ("loss", "@loss{0.0000}")]))
    return figure


def depth_figure(mass_by_depth: list[float], words_by_depth: list[int]) -> Any:
    """Share of the text at each depth of the tree."""
    models = bokeh().models
    figure = _figure("depths", 260, "share of text")
    figure.xaxis.axis_label = "length of the path, bits"
    figure.yaxis.formatter = models.NumeralTickFormatter(format="0%")
    figure.y_range = models.DataRange1d(start=0)
    depths = [depth for depth, words in enumerate(words_by_depth) if words]
    bars = figure.vbar(
        "depth",
        width=0.8,
        top="mass",
        name="bars",
        line_color=None,
        source=models.ColumnDataSource(
            {
                "depth": depths,
                "mass": [mass_by_depth[depth] for depth in depths],
                "words": [words_by_depth[depth] for depth in depths],
            }
        ),
    )
    figure.add_tools(
        _hover([bars], [("depth", "@depth"), ("words", "@words{0,0}"), ("text", "@mass{0.00%}")])
    )
    return figure


def _figure(name: str, height: int | None, y_label: str, sizing_mode: str = "stretch_width") -> Any:
    return bokeh().plotting.figure(
        name=name,
        height=height,
        sizing_mode=sizing_mode,
        tools="",
        toolbar_location=None,
        y_axis_label=y_label,
        min_border=0,
        background_fill_color=None,
        border_fill_color=None,
    )


def _hover(renderers: list[Any], rows: list[tuple[str, str]]) -> Any:
    """A tooltip in the colours of the page, for at most three points on top of each other.

    Bokeh escapes the values that it puts into this HTML.
    """
    lines = "".join(
        f'<div><span style="color:var(--soft)">{name}</span> {value}</div>' for name, value in rows
    )
    box = "margin:-5px;padding:6px 10px;font-size:14px;background:var(--panel);color:var(--ink)"
    return bokeh().models.HoverTool(
        renderers=renderers, tooltips=f'<div style="{box}">{lines}</div>', limit=3, show_arrow=False
    )
