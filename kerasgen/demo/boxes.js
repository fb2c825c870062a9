// Boxes drawn by hand: an editor for layouts, for the demo and the static page alike.

const BOARD = `
.kg-board {position: relative; width: 100%; max-width: 300px; background: #000; border-radius: 8px; touch-action: none;
  cursor: crosshair; overflow: hidden; user-select: none}
.kg-box {position: absolute; border: 2px solid hsl(var(--kg-hue) 80% 65%); background: hsl(var(--kg-hue) 80% 65% / .25);
  border-radius: 3px; cursor: move}
.kg-box span {position: absolute; top: 1px; left: 4px; color: #fff !important; font-size: 13px; line-height: 1.3; pointer-events: none}
.kg-box i {position: absolute; right: 0; bottom: 0; width: 14px; height: 14px; cursor: nwse-resize;
  background: linear-gradient(135deg, transparent 50%, hsl(var(--kg-hue) 80% 65%) 50%)}
.kg-box.kg-marked {background: hsl(var(--kg-hue) 80% 65% / .5)}
.kg-board-row {display: flex; gap: .5rem; margin: .5rem 0 .2rem}
.kg-board-row select, .kg-board-row button {font: inherit; font-size: .85rem; padding: .2rem .6rem; border: 1px solid #8888;
  border-radius: 6px; background: transparent; color: inherit}
.kg-board-row select {padding-right: 1.8rem}
.kg-board-row button:disabled {opacity: .5}
`;

/**
 * Make an element an editor of boxes: drag to draw one, drag one to move it, its corner to size it; a choice of classes
 * names the marked box and the next one. With the keyboard: Tab to a box, arrows move it, Delete removes it.
 *
 * rows: [[class, left, top, width, height], ...], lengths as shares of the picture; a class below 0 is no box.
 * most: how many boxes there may be. names: of the classes. ratio: height / width of the picture.
 * changed: called with the rows, as many as there are boxes, when a drag or a key has ended.
 */
export function boxes(element, { rows, most, names, ratio }, changed) {
  let list = rows.filter(([kind]) => kind >= 0).map((row) => [...row]);
  let [marked, drag] = [-1, null];
  const round = (value) => Math.round(value * 1e4) / 1e4;
  const within = (value, low, high) => Math.min(Math.max(value, low), high);
  const make = (tag, properties, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  const style = make("style", { textContent: BOARD });
  const board = make("div", { className: "kg-board" });
  board.style.aspectRatio = `1 / ${ratio}`;
  const choice = make("select", { ariaLabel: "class of the box" }, ...names.map((text, value) => make("option", { value, textContent: text })));
  const remove = make("button", { type: "button", textContent: "Remove" });
  const note = make("small", {});
  element.replaceChildren(style, board, make("div", { className: "kg-board-row" }, choice, remove), note);

  function show() {
    const drawn = list.map(([kind, left, top, width, height], i) => {
      const box = make("div", { className: `kg-box${i === marked ? " kg-marked" : ""}`, tabIndex: 0 });
      box.append(make("span", { textContent: names[kind] ?? kind }), make("i", {}));
      box.ariaLabel = `box ${i + 1}, ${names[kind] ?? kind}`;
      box.dataset.box = i;
      const hue = (kind * 137) % 360;
      const sides = { left, top, width, height };
      for (const [side, share] of Object.entries(sides)) box.style[side] = `${100 * share}%`;
      box.style.setProperty("--kg-hue", hue);
      return box;
    });
    board.replaceChildren(...drawn);
    remove.disabled = marked < 0;
    if (marked >= 0) choice.value = list[marked][0];
    note.textContent = list.length < most ? "Drag to draw a box; drag one to move it, its corner to size it." : `${most} boxes at most; remove one to draw another.`;
  }

  function tell() {
    list = list.map(([kind, ...sides]) => [kind, ...sides.map(round)]);
    show();
    changed(list);
  }

  function place(event) {
    const { left, top, width, height } = board.getBoundingClientRect();
    return [within((event.clientX - left) / width, 0, 1), within((event.clientY - top) / height, 0, 1)];
  }

  board.addEventListener("pointerdown", (event) => {
    const [x, y] = place(event);
    const box = event.target.closest(".kg-box");
    if (!box && list.length >= most) return;
    event.preventDefault();
    marked = box ? Number(box.dataset.box) : list.push([Number(choice.value), x, y, 0, 0]) - 1;
    drag = { x, y, size: !box || event.target.tagName === "I", fresh: !box, before: [...list[marked]] };
    board.setPointerCapture(event.pointerId);
    show();
  });
  board.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = place(event);
    const [kind, left, top, width, height] = drag.before;
    if (drag.fresh) list[marked] = [kind, Math.min(x, drag.x), Math.min(y, drag.y), Math.abs(x - drag.x), Math.abs(y - drag.y)];
    else if (drag.size) list[marked] = [kind, left, top, within(x - left, 0.02, 1 - left), within(y - top, 0.02, 1 - top)];
    else list[marked] = [kind, within(left + x - drag.x, 0, 1 - width), within(top + y - drag.y, 0, 1 - height), width, height];
    show();
  });
  const end = (event) => {
    if (!drag) return;
    const { fresh, before } = drag;
    const [, , , width, height] = list[marked];
    drag = null;
    if (fresh && (width < 0.02 || height < 0.02)) { // a click beside the boxes
      list.splice(marked, 1);
      marked = -1;
      show();
    } else if (String(before) !== String(list[marked])) tell();
    else show();
  };
  board.addEventListener("pointerup", end);
  board.addEventListener("pointercancel", end);
  board.addEventListener("focusin", ({ target }) => {
    if (drag || !target.dataset.box || Number(target.dataset.box) === marked) return;
    marked = Number(target.dataset.box);
    show();
    board.children[marked].focus();
  });
  board.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (marked < 0 || !(step || ["Delete", "Backspace"].includes(event.key))) return;
    event.preventDefault();
    if (!step) return remove.click();
    const [kind, left, top, width, height] = list[marked];
    list[marked] = [kind, within(left + step[0] / 50, 0, 1 - width), within(top + step[1] / 50, 0, 1 - height), width, height];
    tell();
    board.children[marked].focus();
  });
  choice.addEventListener("change", (event) => {
    event.stopPropagation();
    if (marked < 0) return;
    list[marked][0] = Number(choice.value);
    tell();
  });
  remove.addEventListener("click", () => {
    list.splice(marked, 1);
    marked = -1;
    tell();
  });
  show();
}
