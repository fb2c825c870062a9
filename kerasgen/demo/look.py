"""What the page looks like, and the few lines of script that it needs."""

from __future__ import annotations

import pathlib

HERE = pathlib.Path(__file__).parent
CSS = (HERE / "style.css").read_text("utf-8")
FONT = ["ui-sans-serif", "system-ui", "sans-serif"]  # of the visitor's machine: no font is fetched
FONT_MONO = ["ui-monospace", "monospace"]
LOOK = {
    "block_title_background_fill": "transparent",
    "block_title_text_color": "*body_text_color",
    "block_title_text_weight": "500",
    "block_title_padding": "0",
    "input_border_width": "1px",
    "input_border_color": "*neutral_200",
    "input_shadow": "none",
}
# A text that was chosen is marked when its field is entered, so that typing replaces it.
MARK = """
document.addEventListener("focusin", event => {
  if (event.target.matches("input[role=listbox], [role=combobox]")) setTimeout(() => event.target.select?.());
});
"""
TOP = "<div class='kg-top'><h1>kerasgen</h1><p>generative models, run from exported files</p></div>"
PICK = """
element.addEventListener("click", event => {
  const card = event.target.closest("button");
  if (card) trigger("click", {key: card.dataset.key});
});
"""
BOXES = """
const about = JSON.parse(props.about);
boxes(element.querySelector(".kg-boxes"), about, rows => {
  props.value = JSON.stringify(rows);
});
"""
BOXES = (HERE / "boxes.js").read_text("utf-8").replace("export ", "") + BOXES
SAVE = (HERE / "save.js").read_text("utf-8")
UPLOAD = (HERE / "upload.js").read_text("utf-8")
LINK = """
key => {
  const address = new URL(location);
  address.searchParams.set("model", key);
  history.replaceState(null, "", address);
}
"""  # the address of the page names the model, so that it can be sent to others
