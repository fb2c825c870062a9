"""The demo: one small app over exported bundles, built from what their `bundle.json` says.

A model has no page of its own. Each function that it serves gets a tab, each port of the function a widget. The room
needs NumPy, Pillow, Gradio and `kerasgen.runtime` alone, so that both folders can be copied beside a hosted app.

    launch(["exports/bundles/vae_digits", "exports/bundles/ddpm_digits"])

What visitors choose is checked here again, since a request need not come from the page. A picture of theirs is read in
memory and is stored nowhere.
"""

import html
import json
import os

import numpy as np

from kerasgen import runtime
from kerasgen.demo.fields import Tab
from kerasgen.demo.limits import check_port, refusal
from kerasgen.demo.look import CSS, FONT, FONT_MONO, LINK, LOOK, MARK, PICK, TOP
from kerasgen.demo.media import png, wav
from kerasgen.demo.shelf import Shelf
from kerasgen.demo.tabs import TABS

SAFE = dict(
    ssr_mode=False, max_file_size="1mb", allowed_paths=[], enable_monitoring=False, show_error=False, strict_cors=True,
    run_history=False, footer_links=["api"], quiet=True,
)  # fmt: skip


def build(bundle_dirs):
    """The app over some bundles, ready to `launch`.

    Args:
        bundle_dirs: folders that `kerasgen.export` wrote.

    Raises:
        ValueError: there are none, or one of them is not a bundle; the line says which and why.

    Returns: `gradio.Blocks`.
    """
    shelf = Shelf(bundle_dirs)

    import gradio as gr

    class App(gr.Blocks):
        def validate_inputs(self, block_fn, inputs):
            """One line for a request with too few values; Gradio's own error carries a traceback."""
            if len(inputs) < len(block_fn.inputs):
                raise refusal(f"{block_fn.name}: expected {len(block_fn.inputs)} values, got {len(inputs)}")

    def answer(bundle, function, given, label):
        x, entry = (
            shelf.run(bundle, function, given | ({} if label is None else {"label": label})),
            shelf.find(bundle),
        )
        if entry.info["kind"] == "sound":
            return [wav(sound, entry.info["sample_rate"]) for sound in x]
        shown = runtime.to_text if entry.info["kind"] == "text" else np.ndarray.tolist
        return [png(picture) for picture in x] if entry.pictures else shown(x)

    def sample(
        bundle: str, count: int = 1, seed: int = 0, label: int | str | None = None, controls: dict | None = None
    ) -> list:
        """New examples: pictures and sounds as PNG and WAV data addresses, texts, or lists of numbers.

        A class can be given by its number or its name.
        """
        if not isinstance(controls, dict | None):
            raise refusal(f"controls: expected a table of numbers by name, got {type(controls).__name__}")
        return answer(bundle, "sample", {**(controls or {}), "count": count, "seed": seed}, label)

    def decode(bundle: str, latent: list, label: int | str | None = None) -> list:
        """The examples that rows of latents stand for, in the same form."""
        return answer(bundle, "decode", {"latent": latent}, label)

    first, several = next(iter(shelf.entries)), len(shelf.entries) > 1
    with App(title="kerasgen", analytics_enabled=False, delete_cache=(3600, 3600)) as app:
        choices = [(_label(key, entry), key) for key, entry in shelf.entries.items()]
        with gr.Row(equal_height=True):
            with gr.Column(min_width=280):
                gr.HTML(TOP, js_on_load=MARK)
            with gr.Column(min_width=280):
                seen = True if several else "hidden"  # there, or its change would not be heard
                picker = gr.Dropdown(choices, value=None, label="model", visible=seen, elem_id="picker")
        pictures = several and any(entry.thumbnail for entry in shelf.entries.values())
        cards = gr.HTML(_cards(shelf.entries), js_on_load=PICK, visible=pictures, elem_id="cards")

        def pick(event: gr.EventData):
            key = event._data.get("key") if isinstance(event._data, dict) else None
            shelf.find(key)
            return key

        def asked(request):
            key = request.query_params.get("model")
            return key if key in shelf.entries else first

        asked.__annotations__["request"] = gr.Request
        quiet = dict(show_progress="hidden", api_visibility="private")
        cards.click(pick, None, picker, **quiet)
        picker.change(None, picker, None, js=LINK, api_visibility="private")
        app.load(asked, None, picker, **quiet)

        @gr.render(inputs=picker, triggers=[picker.change], concurrency_limit=2)  # once, when the address is read
        def page(key):
            entry = shelf.find(key)
            shown = [(name, content) for name, content, fits in TABS if fits(entry)]
            gr.HTML(_heading(key, entry, [name for name, _ in shown]))
            if not shown:
                gr.HTML("<p>This bundle has no function that the page can show; see its README.md.</p>")
            with gr.Tabs(selected=shown[0][0] if shown else None):
                for i, (name, content) in enumerate(shown):
                    tab = Tab(shelf, key, name, first=i == 0)
                    with tab.shell:
                        content(tab)

        gr.api(sample, api_name="sample")
        gr.api(decode, api_name="decode")
    return app.queue(max_size=16, default_concurrency_limit=2)


def launch(
    bundle_dirs, port=7860, *, server_name="127.0.0.1", share=False, auth=None, inbrowser=False, wait=True,
    announce=None,
):  # fmt: skip
    """Serve the app: to this machine alone, unless told otherwise.

    Args:
        bundle_dirs: as in `build`.
        port: where the page is, `http://127.0.0.1:<port>`.
        server_name: address to listen on; "0.0.0.0" for every network of this machine.
        share: ask Gradio for a public address; this goes through its servers.
        auth: (name, password) that visitors must give.
        inbrowser: open the page.
        wait: return when the app is stopped (Ctrl-C) rather than at once.
        announce: function called with the address when the page answers there.

    Raises:
        ValueError: no bundles, a damaged one, or a port that something else listens on.

    Returns: the app; `close()` stops it.
    """
    check_port(server_name, port)
    # Gradio asks its own page whether it is there; a proxy for the world outside must not be asked for it.
    for variable in ("no_proxy", "NO_PROXY"):
        known = os.environ.get(variable, "")
        os.environ[variable] = ",".join(filter(None, (known, "localhost,127.0.0.1", server_name)))
    app = build(bundle_dirs)

    import gradio as gr

    app.launch(
        server_name=server_name, server_port=port, share=share, auth=auth, inbrowser=inbrowser,
        prevent_thread_lock=True, theme=gr.themes.Soft(font=FONT, font_mono=FONT_MONO).set(**LOOK), css=CSS, **SAFE,
    )  # fmt: skip
    if announce:
        announce(f"http://{server_name}:{port}")
    if wait:
        app.block_thread()
    return app


def _label(key, entry):
    """The class, the name, and, so that typing it finds its models, the family."""
    return " · ".join(filter(None, (entry.info["class"], key, entry.info.get("family"))))


def _heading(key, entry, tabs):
    info = entry.info
    data = f"data: {info['data']['name']}" if info["data"] else ""
    size = " × ".join(map(str, entry.shape))
    lines = [[info["title"]], [info["paper"], info["year"]], [size, data, ", ".join(entry.ports)]]
    lines = [html.escape(" · ".join(str(part) for part in line if part)) for line in lines]
    image = f'<img src="{entry.thumbnail}" alt="">' if entry.thumbnail else ""
    title = html.escape(f"{info['class']} · {key}").replace("_", "_<wbr>")
    text = f"<h2>{title}</h2>" + "".join(f"<p>{line}</p>" for line in lines)
    tabs = html.escape(json.dumps(tabs))  # all of them, also those without room
    return f'<div class="kg-head" data-tabs="{tabs}">{image}<div>{text}</div></div>'


def _cards(entries):
    cards = [
        f'<button data-key="{html.escape(key)}"><img src="{entry.thumbnail}" alt="">'
        f"<b>{html.escape(entry.info['class'])}</b>{html.escape(key).replace('_', '_<wbr>')}</button>"
        for key, entry in entries.items()
        if entry.thumbnail
    ]
    return f'<div class="kg-cards">{"".join(cards)}</div>'
